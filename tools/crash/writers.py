"""The writers that are killed: the storage function, commands, and naive writers that fail.

A writer prints `VERSION SHA256` once a version is acknowledged. After a crash every printed version
has to exist, every version has to be whole, and the next commit has to work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from host.errors import HostError
from host.home.config.load import load_active, open_history
from host.home.home import Home

BUCKET: Final = "core"
FIRST: Final = b"max_plan_depth = 5\n"
EDITED: Final = "# reason: shorter\nmax_plan_depth = 4\n" + "# more\n" * 100
COMMITS: Final = 2
TIMEOUT_S: Final = 60

FUNCTION: Final = f"""
import sys
from pathlib import Path
from host.home.config.load import open_history
from host.errors import HostError
from host.home.home import Home
history = open_history(Home(Path(sys.argv[1])), '{BUCKET}')
#prelude
for number in range({COMMITS}):
    try:
        meta = history.commit(b'max_plan_depth = %d # ' % (number + 1) + b'x' * 500, reason='x')
    except (HostError, OSError):
        continue
    print(meta.version, meta.sha256, flush=True)
"""
COMMAND: Final = """
import contextlib, io, json, sys
import host.home.config.load
from host.cli.main import main
#prelude
output = io.StringIO()
with contextlib.redirect_stdout(output):
    code = main([*{words!r}, '--json', '--home', sys.argv[1]])
if code == 0:
    record = json.loads(output.getvalue())
    version = record.get('config_version') or record.get('version')
    print(version, record.get('config_sha256') or record.get('sha256'), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """A program that commits versions to a home with one version and a later edit."""

    name: str
    program: str

    def with_prelude(self, prelude: str) -> Writer:
        """Return the writer with code that replaces its functions."""
        return Writer(self.name, self.program.replace("#prelude", prelude))

    def command(self, root: Path) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-B", "-c", self.program, str(root)]


STORAGE: Final = Writer("storage function", FUNCTION)
COMMIT: Final = Writer("config commit", COMMAND.format(words=("config", "commit", BUCKET)))
ROLLBACK: Final = Writer(
    "config rollback", COMMAND.format(words=("config", "rollback", BUCKET, "1", "--yes"))
)

IN_PLACE: Final = """
import time
import host.home.config.load, host.home.config.history, host.home.storage.atomic_file
def naive(path, data, pause_s=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('wb') as file:
        for at in range(0, len(data), 64):
            file.write(data[at:at + 64]); file.flush(); time.sleep(pause_s)
    return True
for module in (host.home.config.load, host.home.config.history, host.home.storage.atomic_file):
    for name in ('write_new', 'write_atomic'):
        if hasattr(module, name):
            setattr(module, name, naive)
"""
"""As most programs write: over the old file, in pieces."""
WITHOUT_FILE_SYNC: Final = """
import os, stat
sync = os.fsync
os.fsync = lambda fd: None if stat.S_ISREG(os.fstat(fd).st_mode) else sync(fd)
"""
"""As programs write that rename without fsync."""
WITHOUT_FOLDER_SYNC: Final = """
import host.home.storage.atomic_file
host.home.storage.atomic_file.sync_folder = lambda folder: None
"""


@dataclass(slots=True)
class CrashReport:
    """The number of crash points that were checked, and their failures."""

    points: int = 0
    lost_acknowledged: int = 0
    torn: int = 0
    unrecovered: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """True when nothing was lost or torn, and every home recovered."""
        return not (self.lost_acknowledged or self.torn or self.unrecovered)


def make_home(root: Path) -> dict[int, str]:
    """Make a home with one version and a later edit; return the acknowledged version."""
    home = Home(root)
    home.buckets_dir.mkdir(parents=True)
    home.portfolios_dir.mkdir()
    home.portfolio_file(BUCKET).write_text("base_currency = 'USD'\n")
    first = open_history(home, BUCKET).commit(FIRST, reason="first")
    home.bucket_file(BUCKET).write_text(EDITED)
    return {first.version: first.sha256}


def copy_home(template: Path, root: Path) -> Path:
    """Return a fresh copy of a home."""
    shutil.copytree(template, root)
    return root


def parse_acknowledged(output: str) -> dict[int, str]:
    """Return the versions that a writer printed; an incomplete line does not count."""
    lines = [line.split() for line in output.split("\n")[:-1]]
    return {int(version): digest for version, digest in lines}


def run_traced(writer: Writer, root: Path, options: Sequence[str]) -> str:
    """Run a writer under strace; return what it printed."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    process = subprocess.run(
        ["strace", "-qq", "-y", *options, *writer.command(root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env=environment,
    )
    return process.stdout


def check_home(root: Path, acknowledged: dict[int, str], what: str, report: CrashReport) -> None:
    """Check a home as the next start does: report lost or torn versions, then commit again."""
    home = Home(root)
    history = open_history(home, BUCKET)
    report.points += 1
    problems = history.problems()
    if any("damaged" in problem and "HEAD" not in problem for problem in problems):
        report.torn += 1
        report.failures.append(f"{what}: torn: {problems}")
    hashes = {stored.meta.version: stored.meta.sha256 for stored in history.newest_first()}
    if lost := [n for n, digest in acknowledged.items() if hashes.get(n) != digest]:
        report.lost_acknowledged += 1
        report.failures.append(
            f"{what}: lost {lost} of {sorted(acknowledged)}, there are {sorted(hashes)}"
        )
    try:
        history.recover()
        loaded = load_active(home, BUCKET)
        next_one = history.commit(b"max_plan_depth = 9\n", reason="after")
        is_later = next_one.version > max(acknowledged, default=0)
        has_recovered = loaded.version in {0, *hashes} and is_later
        wrong = history.problems()
    except HostError as error:
        has_recovered, wrong = False, [str(error)]
    if wrong or not has_recovered:
        report.unrecovered += 1
        report.failures.append(f"{what}: does not recover: {wrong}")
