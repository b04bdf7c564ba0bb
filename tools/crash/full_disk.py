"""A disk of a few pages that fills up while a writer writes: a tmpfs in a mount namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

WAYS: Final = (("unshare", "-m"), ("unshare", "-Urm"))
"""As root; as a user who may have a namespace of their own."""
MOUNT: Final = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'
PROGRAM: Final = """
import json, os, sys
from pathlib import Path
from host.home.config.load import load_active, open_history
from host.errors import HostError
from host.home.home import Home
from tools.crash.writers import Found, judge, make_home
#prelude
found, said = Found(), []
root = Path(sys.argv[1])
PAGE = os.statvfs(root).f_frsize
for pages in range({pages}):
    home = root / str(pages)
    promised = make_home(home)
    history = open_history(Home(home), 'core')
    status = os.statvfs(root)
    filler = root / 'filler'
    filler.write_bytes(bytes(max(0, status.f_bavail - pages) * PAGE))
    for number in range(3):
        try:
            meta = history.commit(b'max_plan_depth = 3 # ' + b'x' * 9000, reason='full')
            promised[meta.version] = meta.sha256
        except (HostError, OSError) as error:
            said.append(str(error))
    left = [p.name for p in home.rglob('.tmp-*')]
    filler.unlink()
    judge(home, promised, str(pages) + ' pages', found)
    if left:
        found.failures.append(str(pages) + ' pages: left ' + str(left))
    for path in sorted(home.rglob('*'), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    home.rmdir()
print(json.dumps({{'points': found.points, 'torn': found.torn, 'failures': found.failures,
    'lost': found.lost_acknowledged, 'unrecovered': found.unrecovered, 'said': said}}))
"""


def way_to_mount() -> tuple[str, ...] | None:
    """Return what lets us mount; None when nothing does."""
    for way in WAYS:
        if shutil.which(way[0]):
            command = [*way, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return way
    return None


def fill(folder: Path, way: Sequence[str], *, pages: int = 16, prelude: str = "") -> Any:  # noqa: ANN401 - JSON
    """Commit with 0, 1, 2 ... pages left; return what was found, and what the writer said."""
    program = PROGRAM.format(pages=pages).replace("#prelude", prelude)
    command = [*way, "sh", "-c", MOUNT, "sh", "size=512k", str(folder)]
    done = subprocess.run(
        [*command, sys.executable, "-B", "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
