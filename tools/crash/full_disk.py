"""A small disk that fills up while a writer writes: a tmpfs in a mount namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

MOUNT_COMMANDS: Final = (("unshare", "-m"), ("unshare", "-Urm"))
"""As root; as a user who may create a namespace."""
MOUNT: Final = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'
PROGRAM: Final = """
import json, os, sys
from pathlib import Path
from host.home.config.load import load_active, open_history
from host.errors import HostError
from host.home.home import Home
from tools.crash.writers import CrashReport, check_home, make_home
#prelude
report, errors = CrashReport(), []
root = Path(sys.argv[1])
PAGE = os.statvfs(root).f_frsize
for pages in range({pages}):
    home = root / str(pages)
    acknowledged = make_home(home)
    history = open_history(Home(home), 'core')
    status = os.statvfs(root)
    filler = root / 'filler'
    filler.write_bytes(bytes(max(0, status.f_bavail - pages) * PAGE))
    for number in range(3):
        try:
            meta = history.commit(b'max_plan_depth = 3 # ' + b'x' * 9000, reason='full')
            acknowledged[meta.version] = meta.sha256
        except (HostError, OSError) as error:
            errors.append(str(error))
    leftovers = [p.name for p in home.rglob('.tmp-*')]
    filler.unlink()
    check_home(home, acknowledged, str(pages) + ' pages', report)
    if leftovers:
        report.failures.append(str(pages) + ' pages: left ' + str(leftovers))
    for path in sorted(home.rglob('*'), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    home.rmdir()
print(json.dumps({{'points': report.points, 'torn': report.torn, 'failures': report.failures,
    'lost': report.lost_acknowledged, 'unrecovered': report.unrecovered, 'errors': errors}}))
"""


def mount_command() -> tuple[str, ...] | None:
    """Return the command prefix that can mount; None when none can."""
    for prefix in MOUNT_COMMANDS:
        if shutil.which(prefix[0]):
            command = [*prefix, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return prefix
    return None


def fill(folder: Path, prefix: Sequence[str], *, pages: int = 16, prelude: str = "") -> Any:  # noqa: ANN401 - JSON
    """Commit with 0, 1, 2 ... pages free; return the report, and the errors of the writer."""
    program = PROGRAM.format(pages=pages).replace("#prelude", prelude)
    command = [*prefix, "sh", "-c", MOUNT, "sh", "size=512k", str(folder)]
    process = subprocess.run(
        [*command, sys.executable, "-B", "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(process.stdout)
