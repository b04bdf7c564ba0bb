"""The Uno Q's firmware as an app for Arduino App Lab.

An app must be complete in its folder, and Arduino's build compiles the sketch's `src` folder. So an
app consists of `firmware/uno_q` and a copy of `firmware/core`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

FIRMWARE: Final = Path(__file__).parent / "firmware"


def app_files(folder: Path) -> dict[Path, Path]:
    """Return the files of an app, each with its source; the folder must be missing or empty.

    Raises
    ------
    FileExistsError
        The folder is not empty: it may hold the user's own version of the app.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: choose another folder, or remove it first")
    app = FIRMWARE / "uno_q"
    core = FIRMWARE / "core"
    sources = {folder / path.relative_to(app): path for path in app.rglob("*") if _is_source(path)}
    sources |= {folder / "sketch/src/core" / path.name: path for path in core.glob("*.[ch]")}
    return dict(sorted(sources.items()))


def write_app(folder: Path) -> list[Path]:
    """Write the app into a missing or empty folder; return its files.

    Raises
    ------
    FileExistsError
        The folder is not empty.
    """
    sources = app_files(folder)
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return list(sources)


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
