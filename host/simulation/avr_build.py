"""Build the simulator that executes the Yun's firmware on this computer.

The firmware image is shipped. The simulator is a small C program that uses libsimavr, which pip
cannot install, so it is compiled here. It is built once, into the user's cache, under a name with
the hash of its sources, so that another version never runs by mistake.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from host.errors import HostError

PACKAGES: Final = ("gcc", "libc6-dev", "libsimavr-dev", "libelf-dev")
"""Names of the packages in Debian."""
COMPILER: Final = "gcc"
BUILD_MAX_S: Final = 120.0
HASH_LENGTH: Final = 12


class ToolchainError(HostError):
    """The simulator cannot be built here."""

    code = "toolchain"


def firmware_file(*parts: str) -> Path:
    """Return the path of a file that is shipped with the firmware."""
    return Path(str(files("firmware_bridge"))).joinpath("firmware", *parts)


def yun_image() -> Path:
    """Return the image of the Yun's firmware, an Intel HEX file."""
    return firmware_file("images", "yun.hex")


def build_simulator() -> Path:
    """Return the simulator; build it first if it is missing.

    Raises
    ------
    ToolchainError
        When compiler or libsimavr is missing, with what to install; or the disk is full.
    """
    sources = sorted(firmware_file("sim").glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    target = _cache() / f"avr-simulator-{digest[:HASH_LENGTH]}"
    if target.is_file():
        return target
    if shutil.which(COMPILER) is None:
        raise ToolchainError(f"{COMPILER} is missing, which builds the AVR simulator ({_remedy()})")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".avr-") as folder:
            built = Path(folder) / target.name
            _compile([source for source in sources if source.suffix == ".c"], built)
            built.replace(target)
    except OSError as error:
        where = error.filename or target.parent
        raise ToolchainError(
            f"{where}: the AVR simulator cannot be stored there: {error.strerror} (free some"
            " space, or set XDG_CACHE_HOME to another folder)"
        ) from error
    return target


def _compile(sources: Sequence[Path], target: Path) -> None:
    command = [COMPILER, "-std=c99", "-O2", "-I/usr/include/simavr", *map(str, sources)]
    command += ["-o", str(target), "-lsimavr", "-lelf", "-lutil"]
    try:
        compilation = subprocess.run(  # noqa: S603 - a compiler, on sources of ours
            command, capture_output=True, text=True, check=False, timeout=BUILD_MAX_S
        )
    except subprocess.TimeoutExpired:
        raise ToolchainError(
            f"{COMPILER} did not build the AVR simulator within {BUILD_MAX_S:g} s (try again when"
            " the computer is less busy)"
        ) from None
    if compilation.returncode != 0:
        lines = [
            line for line in compilation.stderr.splitlines() if "error" in line or "cannot" in line
        ]
        why = lines[0].strip() if lines else f"{COMPILER} ended with {compilation.returncode}"
        raise ToolchainError(f"the AVR simulator cannot be built: {why[:300]} ({_remedy()})")


def _remedy() -> str:
    return f"on Debian: `sudo apt-get install {' '.join(PACKAGES)}`"


def _cache() -> Path:
    """Return our folder in the user's cache."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return root / "arduino-trader"
