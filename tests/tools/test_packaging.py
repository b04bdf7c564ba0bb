"""The locked requirements, and the contents of a wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = ("installer", "run", "dev", "soak", "bench")
PACKAGES = ("configs", "firmware_bridge", "host", "planner_core")
PIN = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$", re.MULTILINE
)


def lock_text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.lock").read_text()


def pins(name: str) -> set[tuple[str, str]]:
    """Name and version of every locked package; a larger lock may need one in more places."""
    return {(pin["name"], pin["version"]) for pin in PIN.finditer(lock_text(name))}


@pytest.mark.parametrize(
    ("small", "large"), [("installer", "run"), ("run", "dev"), ("dev", "soak"), ("soak", "bench")]
)
def test_a_larger_lock_holds_the_smaller_one_so_one_environment_serves_both(
    small: str, large: str
) -> None:
    assert pins(small)
    assert pins(small) <= pins(large)


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash_and_no_lock_names_an_index(name: str) -> None:
    text = lock_text(name)
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    assert [b.splitlines()[0] for b in blocks if "==" in b and "--hash=sha256:" not in b] == []


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements_of = {
        "run": project["dependencies"],
        "dev": [line for name in extras.keys() - {"soak", "bench"} for line in extras[name]],
        "soak": extras["soak"],
        "bench": extras["bench"],
    }
    for lock, requirements in requirements_of.items():
        locked = {pin["name"] for pin in PIN.finditer(lock_text(lock))}
        names = {re.split(r"[<>=~!\[; ]", line)[0].lower() for line in requirements}
        assert names <= locked, f"not in {lock}.lock: run make lock"


def test_a_wheel_carries_every_committed_file_of_the_packages(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    )
    committed = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert committed - carried == set()
    # And nothing of ours beside them: no tests, no tools.
    assert {name.partition("/")[0] for name in carried if ".dist-info/" not in name} == set(
        PACKAGES
    )
