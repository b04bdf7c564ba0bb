"""`trader board flash`: write the firmware of a Yun over USB, or explain how for an Uno Q."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_bridge.app_lab import app_files, write_app
from host.board import flash as flashing
from host.cli.home_option import open_home
from host.errors import EXIT_DONE, StorageError, UsageError
from host.home.config.device_settings import CarrierKind, load_device_config
from host.simulation.avr_build import yun_image

if TYPE_CHECKING:
    import argparse

    from host.cli.output import Output

UNO_Q_STEPS: Final = (
    "Write the app, a folder with the sketch and all it needs, on the board or on your computer:",
    "    trader board flash --board uno-q --app arduino-trader-board",
    "If you wrote it on your computer, copy it to the board:",
    "    scp -r arduino-trader-board arduino@BOARD:ArduinoApps/",
    "On the board, build and start it (App Lab's Run button does the same):",
    '    arduino-app-cli app start "$HOME/ArduinoApps/arduino-trader-board"',
    "It ends with the sketch on the microcontroller. Then ask the board what it is:",
    "    trader board info --port /var/run/arduino-router.sock",
)


def run(options: argparse.Namespace, output: Output) -> int:
    """Install the firmware, or say how."""
    if options.app is not None or _board(options) == "uno-q":
        return _uno_q(options, output)
    image = flashing.read_image(Path(options.image) if options.image else yun_image())
    programmer = flashing.find_programmer()
    port = options.port or flashing.find_yun()
    flashing.check_port(port)
    command = programmer.command(port, image.path)
    _announce(image, port, command, output)
    is_done = not options.dry_run and _may_write(options, output, port)
    if is_done:
        bootloader_port = flashing.wake_bootloader(port)
        if bootloader_port != port:
            output.error(f"the bootloader is at {bootloader_port}")
            command = programmer.command(bootloader_port, image.path)
        flashing.run_avrdude(command)
    if options.json:
        output.json(
            {
                "board": "yun",
                "port": port,
                "image": str(image.path),
                "sha256": image.sha256,
                "flash_bytes": image.flash_bytes,
                "command": command,
                "written": is_done,
            }
        )
    elif is_done:
        output.line("written and read back; now: trader board info")
    else:
        output.line("nothing was written")
    return EXIT_DONE


def _announce(image: flashing.Image, port: str, command: list[str], output: Output) -> None:
    """Print what will be written, and how."""
    checked = "as shipped" if image.has_matching_sum else "there is no SHA256SUMS beside it"
    output.error(f"image    {image.path}")
    output.error(f"         {image.flash_bytes} bytes of flash; all checksums are right")
    output.error(f"sha256   {image.sha256} ({checked})")
    output.error(f"touch    {port} at {flashing.TOUCH_BAUD} baud, to start the bootloader")
    output.error(f"command  {shlex.join(command)}")


def _may_write(options: argparse.Namespace, output: Output, port: str) -> bool:
    """Ask before the sketch of a board is replaced."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "trader board flash: not a terminal, so it cannot ask whether to write (add --yes or"
            " --dry-run)"
        )
    output.error(f"This replaces the sketch of the board at {port}. Write it? [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _board(options: argparse.Namespace) -> str:
    """Return the kind of board: one behind a router is an Uno Q."""
    if options.board is not None:
        return str(options.board)
    if options.port is not None or options.image is not None:
        return "yun"
    carrier = load_device_config(open_home(options.home)).link.carrier
    return "uno-q" if carrier is CarrierKind.ROUTER else "yun"


def _uno_q(options: argparse.Namespace, output: Output) -> int:
    """Write the app if that was asked for (a dry run only lists its files), else print the steps.

    What builds and writes an Uno Q's sketch runs on the board itself, as part of App Lab.
    """
    if options.app is not None and options.board == "yun":
        raise UsageError("trader board flash: --app is for an Uno Q, and --board says yun")
    files: list[Path] = []
    if options.app is not None:
        files = _app(Path(options.app), is_dry_run=options.dry_run)
    if options.json:
        names = [str(path) for path in files]
        output.json({"board": "uno-q", "steps": list(UNO_Q_STEPS), "app": names, "written": False})
    elif files and options.dry_run:
        for path in files:
            output.line(f"would write {path}")
        output.line("nothing was written")
    elif files:
        output.line(f"wrote the app to {options.app}: {len(files)} files")
        output.line("now copy it to the board and start it (`trader board flash --board uno-q`)")
    else:
        for line in UNO_Q_STEPS:
            output.line(line)
    return EXIT_DONE


def _app(folder: Path, *, is_dry_run: bool) -> list[Path]:
    """Write the app, or only see whether that is possible; return its files."""
    try:
        return list(app_files(folder)) if is_dry_run else write_app(folder)
    except FileExistsError as error:
        raise UsageError(f"trader board flash: {error}") from None
    except OSError as error:
        raise StorageError(f"{error.filename or folder}: {error.strerror}") from error
