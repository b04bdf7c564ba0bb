"""The Uno Q's firmware as an app for Arduino App Lab.

An app must hold all that it needs, and the Arduino build compiles what lies in its sketch's `src`.
So an app is put together from `firmware/uno_q` and a copy of `firmware/core`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

FIRMWARE: Final = Path(__file__).parent / "firmware"
APP_NAME: Final = "arduino-trader-board"


def app_files(folder: Path) -> dict[Path, Path]:
    """Return the files of an app in a folder that is new or empty, each with its source.

    Raises
    ------
    FileExistsError
        There is something in the folder already: it may be somebody's own version of the app.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: choose another folder, or remove it first")
    app = FIRMWARE / "uno_q"
    core = FIRMWARE / "core"
    sources = {folder / path.relative_to(app): path for path in app.rglob("*") if _belongs(path)}
    sources |= {folder / "sketch/src/core" / path.name: path for path in core.glob("*.[ch]")}
    return dict(sorted(sources.items()))


def write_app(folder: Path) -> list[Path]:
    """Write the app into a folder that is new or empty; return its files.

    Raises
    ------
    FileExistsError
        As `app_files` does.
    """
    sources = app_files(folder)
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return list(sources)


def _belongs(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
