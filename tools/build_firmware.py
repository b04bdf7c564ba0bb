"""Compile the firmware, and the programs that run it on a PC.

python tools/build_firmware.py            build into .build/firmware/ and report sizes
python tools/build_firmware.py --images   then also renew firmware_bridge/firmware/images/

Everything goes to a folder named by the hash of all sources and of this file, so nothing is built
twice and nothing stale is ever run. Debian packages: gcc gcc-avr avr-libc arduino-core-avr
libsimavr-dev libelf-dev g++.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "firmware_bridge" / "firmware"
IMAGES = SOURCES / "images"
BUILD = ROOT / ".build" / "firmware"
ARDUINO = Path("/usr/share/arduino/hardware/arduino/avr")

FUZZ_TARGETS = ("serial", "router")

# The card for this product: what the ATmega32u4 may be filled with.
FLASH_BYTES_MAX = 14 * 1024
STATIC_RAM_BYTES_MAX = 1024
RAM_BYTES = 2560

WARNINGS = ("-Wall", "-Wextra", "-Werror")
STRICT_C = ("-std=c99", *WARNINGS, "-Wconversion", "-Wpedantic")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MCU = ("-mmcu=atmega32u4", "-DF_CPU=16000000L")
SMALL = ("-Os", "-ffunction-sections", "-fdata-sections", "-flto", "-fno-fat-lto-objects")
# Stacks are measured apart, function by function: inlining and link-time optimisation merge them
# into others, whose frames are smaller than the sum.
STACK = ("-Os", "-fno-inline", "-fstack-usage", "-c")
BOARD = (
    "-DARDUINO=10819",
    "-DARDUINO_ARCH_AVR",
    "-DARDUINO_AVR_YUN",
    "-DUSB_VID=0x2341",
    "-DUSB_PID=0x8041",
    '-DUSB_MANUFACTURER="Arduino"',
    '-DUSB_PRODUCT="Arduino Yun"',
    "-DDECIMAL_DIG=__DECIMAL_DIG__",  # avr-libc's float.h lacks it for g++ 5.4
)
INCLUDES = tuple(
    f"-I{ARDUINO / folder}"
    # The Yun's pins_arduino.h includes the Leonardo's.
    for folder in (
        "cores/arduino",
        "variants/yun",
        "variants/leonardo",
        "libraries/SPI/src",
        "libraries/EEPROM/src",
    )
)
CPP = ("-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics")
# The Uno Q's core is compiled as C++17. Its headers are not here: those in pc/arduino are ours.
STRICT_CPP = ("-std=gnu++17", *WARNINGS, "-Wconversion", "-Wpedantic")


class BuildError(Exception):
    """A compiler refused, or a tool is missing."""


@dataclass(frozen=True)
class Report:
    """Flash, RAM and stack of the Yun's firmware."""

    flash_bytes: int
    static_ram_bytes: int
    stack_bytes_estimate: int

    def __str__(self) -> str:
        """Say it against the budget."""
        free = RAM_BYTES - self.static_ram_bytes - self.stack_bytes_estimate
        return (
            f"Yun: flash {self.flash_bytes} of {FLASH_BYTES_MAX} B, "
            f"static RAM {self.static_ram_bytes} of {STATIC_RAM_BYTES_MAX} B, "
            f"worst stack about {self.stack_bytes_estimate} B, {free} B of RAM left"
        )


@dataclass(frozen=True)
class Built:
    """Where everything is."""

    folder: Path

    @property
    def core_library(self) -> Path:
        """The core for ctypes."""
        return self.folder / "libpd.so"

    @property
    def uno_q_library(self) -> Path:
        """The Uno Q's sketch for ctypes, with a PC in the place of its board."""
        return self.folder / "libunoq.so"

    @property
    def sanitized_runner(self) -> Path:
        """The core as a process, under ASan and UBSan."""
        return self.folder / "pc_runner"

    def fuzzer(self, target: str) -> Path:
        """Replays a corpus, or makes random inputs, under ASan and UBSan."""
        return self.folder / f"fuzz_{target}"

    @property
    def simulator(self) -> Path:
        """Executes the Yun's firmware."""
        return self.folder / "sim_runner"

    @property
    def yun_elf(self) -> Path:
        """The Yun's firmware."""
        return self.folder / "yun.elf"

    @property
    def yun_hex(self) -> Path:
        """The same for avrdude."""
        return self.folder / "yun.hex"

    @property
    def report(self) -> Report:
        """Its flash, RAM and stack."""
        return Report(**json.loads((self.folder / "report.json").read_text(encoding="utf-8")))


def build() -> Built:
    """Build what is not built yet; two processes take turns."""
    BUILD.mkdir(parents=True, exist_ok=True)
    built = Built(BUILD / source_hash())
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.folder.is_dir():
            for old in BUILD.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            work = BUILD / "unfinished"
            work.mkdir()
            _build_all(work)
            work.rename(built.folder)
    return built


def source_hash() -> str:
    """Return a name for all that a build depends on in this repository."""
    digest = hashlib.sha256()
    kinds = ("*.[ch]", "*.cpp", "*.ino", "*.yaml", "*.py")
    files = sorted(path for kind in kinds for path in SOURCES.rglob(kind))
    for path in [Path(__file__), *files]:
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build_all(folder: Path) -> None:
    core = sorted((SOURCES / "core").glob("*.c"))
    pc_board = [SOURCES / "pc" / "pc_board.c", *core]
    simulator = sorted((SOURCES / "sim").glob("*.c"))
    sanitized = ["gcc", *STRICT_C, "-O1", "-g", *SANITIZERS]
    jobs: list[list[str | Path]] = [
        ["gcc", *STRICT_C, "-O2", "-fPIC", "-shared", *pc_board, "-o", folder / "libpd.so"],
        [*sanitized, SOURCES / "pc" / "runner.c", *pc_board, "-o", folder / "pc_runner"],
        ["gcc", "-std=c99", *WARNINGS, "-O2", "-I/usr/include/simavr", *simulator,
         "-o", folder / "sim_runner", "-lsimavr", "-lelf", "-lutil"],
    ]  # fmt: skip
    for target in FUZZ_TARGETS:
        sources = [*_fuzz_sources(target), SOURCES / "pc" / "fuzz_main.c"]
        jobs.append([*sanitized, *sources, "-o", folder / f"fuzz_{target}"])
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yun = pool.submit(_build_yun, folder, core)
        uno_q = pool.submit(_build_uno_q, folder)
        list(pool.map(_run, jobs))
        report = yun.result()
        uno_q.result()
    (folder / "report.json").write_text(json.dumps(asdict(report)), encoding="utf-8")


def _build_yun(folder: Path, core: Iterable[Path]) -> Report:
    """Compile the sketch with Debian's Arduino core, as the Arduino IDE does."""
    parts = folder / "yun"
    parts.mkdir()
    ours = [*core, SOURCES / "yun" / "max7219.cpp", SOURCES / "yun" / "yun.ino"]
    arduino = [
        *sorted((ARDUINO / "cores" / "arduino").glob("*.c*")),
        *sorted((ARDUINO / "cores" / "arduino").glob("*.S")),
        ARDUINO / "libraries" / "SPI" / "src" / "SPI.cpp",
    ]
    objects = []
    for path in [*ours, *arduino]:
        target = parts / f"{path.name}.o"
        # Their code has warnings of its own, ours may have none.
        _run([*_avr_compiler(path), *SMALL, *(WARNINGS if path in ours else ("-w",)), "-c", path,
              "-o", target])  # fmt: skip
        objects.append(target)
    elf = folder / "yun.elf"
    _run(["avr-gcc", "-mmcu=atmega32u4", "-Os", "-flto", "-fuse-linker-plugin", "-Wl,--gc-sections",
          *objects, "-o", elf, "-lm"])  # fmt: skip
    _run(["avr-objcopy", "-O", "ihex", "-R", ".eeprom", elf, folder / "yun.hex"])
    for path in ours:
        _run([*_avr_compiler(path), *STACK, path, "-o", parts / f"{path.name}.stack.o"])
    return _report(elf, parts)


def _build_uno_q(folder: Path) -> None:
    """Compile the App Lab app as it is handed out, its core from its own folder."""
    from firmware_bridge.app_lab import write_app

    app = folder / "uno_q"
    objects = []
    for path in write_app(app):
        if path.suffix == ".c":
            objects.append(path.with_suffix(".o"))
            _run(["gcc", *STRICT_C, "-O2", "-fPIC", "-c", path, "-o", objects[-1]])
    arduino = SOURCES / "pc" / "arduino"
    _run(["g++", *STRICT_CPP, "-O2", "-fPIC", "-shared", f"-I{arduino}", f"-I{app / 'sketch'}",
          arduino / "board.cpp", *objects, "-o", folder / "libunoq.so"])  # fmt: skip


def _fuzz_sources(target: str) -> list[str | Path]:
    core = sorted((SOURCES / "core").glob("*.c"))
    return [SOURCES / "pc" / f"fuzz_{target}.c", SOURCES / "pc" / "pc_board.c", *core]


def build_fuzzer(target: str, program: Path) -> Path:
    """Build a fuzz target for libFuzzer, which finds its way by coverage and needs clang."""
    _run(["clang", "-std=c99", *WARNINGS, "-O2", "-g", "-fsanitize=fuzzer,address,undefined",
          "-fno-sanitize-recover=all", *_fuzz_sources(target), "-o", program])  # fmt: skip
    return program


def _avr_compiler(path: Path) -> list[str | Path]:
    if path.suffix == ".c":
        return ["avr-gcc", *MCU, *BOARD, *INCLUDES, "-std=gnu11"]
    if path.suffix == ".S":
        return ["avr-gcc", *MCU, *BOARD, *INCLUDES, "-x", "assembler-with-cpp"]
    sketch = ["-x", "c++", "-include", "Arduino.h"] if path.suffix == ".ino" else []
    return ["avr-g++", *MCU, *BOARD, *INCLUDES, *CPP, *sketch]


def _report(elf: Path, parts: Path) -> Report:
    sizes = {
        name: int(size)
        for name, size in re.findall(
            r"^(\.\w+)\s+(\d+)", _run(["avr-size", "-A", elf]), re.MULTILINE
        )
    }
    return Report(
        flash_bytes=sizes[".text"] + sizes.get(".data", 0),
        static_ram_bytes=sum(sizes.get(name, 0) for name in (".data", ".bss", ".noinit")),
        stack_bytes_estimate=_worst_stack(parts),
    )


# The deepest way through our code, and then the deepest interrupt of the Arduino core (USB) with
# all registers saved. Each call costs two bytes besides the frame that -fstack-usage tells.
DEEPEST = (
    *("loop", "pd_serial_take", "pd_app_take", "on_hello", "answer_hello", "send"),
    *("send_line", "pd_encode"),
)
RETURN_BYTES = 2
INTERRUPT_BYTES = 64


def _worst_stack(parts: Path) -> int:
    """Add up the frames of the deepest way, taking the largest of each file along it."""
    frames: dict[str, int] = {}
    for path in parts.glob("*.su"):
        for line in path.read_text(encoding="utf-8").splitlines():
            where, size, _ = line.split("\t")
            name = re.split(r"[ :(]", re.sub(r"\(.*", "", where))[-1]
            frames[name] = max(frames.get(name, 0), int(size))
    return INTERRUPT_BYTES + sum(frames[name] + RETURN_BYTES for name in DEEPEST)


def _run(command: Iterable[str | Path]) -> str:
    words = [str(word) for word in command]
    if shutil.which(words[0]) is None:
        target = "soak" if words[0] == "clang" else "setup"
        raise BuildError(f"{words[0]} is missing; `make {target}` installs what is needed")
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise BuildError(f"{' '.join(words)}\n{process.stdout}{process.stderr}")
    return process.stdout


def main() -> int:
    """Build, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", action="store_true", help="renew the images that are shipped")
    options = parser.parse_args()
    try:
        built = build()
    except BuildError as error:
        print(f"error: {error}")
        return 1
    print(f"{built.folder}\n{built.report}")
    if options.images:
        IMAGES.mkdir(exist_ok=True)
        shutil.copyfile(built.yun_hex, IMAGES / "yun.hex")
        digest = hashlib.sha256(built.yun_hex.read_bytes()).hexdigest()
        (IMAGES / "SHA256SUMS").write_text(f"{digest}  yun.hex\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
