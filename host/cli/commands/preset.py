"""`trader preset`: list, show, apply, save and share presets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.commands.config import propose
from host.cli.home_option import open_bucket, open_home
from host.errors import EXIT_DONE
from host.home.config.load import read_edit_base
from host.home.config.presets import PresetError, PresetLibrary, preset_text
from host.home.storage.atomic_file import write_new
from host.home.storage.toml_file import PATH_ADVICE, read_toml
from host.operations.presets import (
    NewPreset,
    create_preset_of_bucket,
    preset_to_json,
    presets_to_json,
)
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output


def show_list(options: argparse.Namespace, output: Output) -> int:
    """List id, rating, uses, name."""
    library = PresetLibrary(open_home(options.home))
    presets = library.list(options.tag)
    output.errors(library.problems)
    if options.json:
        output.json(presets_to_json(presets))
        return EXIT_DONE
    for preset in presets:
        stars = "*" * (preset.rating or 0)
        output.line(
            f"{preset.id:<26} {stars:<5} {printable(f'{preset.name}: {preset.description}')}"
        )
    return EXIT_DONE


def show(options: argparse.Namespace, output: Output) -> int:
    """Print metadata and configuration."""
    preset = PresetLibrary(open_home(options.home)).get(options.id)
    if options.json:
        output.json(preset_to_json(preset))
        return EXIT_DONE
    for key, value in preset.to_record().items():
        output.line(f"# {key}: {printable(str(value))}")
    for line in preset.config_text.rstrip("\n").split("\n"):
        output.line(printable(line.rstrip("\r")))
    return EXIT_DONE


def save(options: argparse.Namespace, output: Output) -> int:
    """Save the configuration of a bucket, with the text of its file."""
    home = open_bucket(options.home, options.bucket)
    about = NewPreset(
        id=options.id,
        name=options.name,
        description=options.description,
        author=options.author,
        tags=tuple(options.tag),
    )
    preset = create_preset_of_bucket(home, about, options.bucket)
    return _print_result(options, output, f"{preset.id}: saved", preset.to_record())


def apply(options: argparse.Namespace, output: Output) -> int:
    """Show what changes, ask, and make it a version."""
    home = open_bucket(options.home, options.bucket)
    library = PresetLibrary(home)
    preset = library.get(options.id)
    base = read_edit_base(home, options.bucket)
    code = propose(home, base, preset.config_text, f"preset {preset.id}", options, output)
    if code != EXIT_DONE:
        output.error(f"{options.bucket}: not saved")
    elif read_edit_base(home, options.bucket).version != base.version:
        library.note_applied(preset.id)
    return code


def import_file(options: argparse.Namespace, output: Output) -> int:
    """Check a file and add it."""
    home = open_home(options.home)
    home.require_home()
    text = read_toml(Path(options.file), advice=PATH_ADVICE).text
    preset = PresetLibrary(home).add(text, options.file)
    return _print_result(options, output, f"{preset.id}: imported", preset.to_record())


def export_file(options: argparse.Namespace, output: Output) -> int:
    """Write a file that can be imported elsewhere."""
    preset = PresetLibrary(open_home(options.home)).get(options.id)
    about = preset.to_record() | {"tags": preset.tags}
    about.pop("id")
    text = preset_text(preset.id, preset.config_text, **about)
    if not write_new(Path(options.file), text.encode()):
        raise PresetError(f"{options.file}: exists already (choose another name)")
    return _print_result(
        options, output, f"{preset.id}: written to {options.file}", preset.to_record()
    )


def rate(options: argparse.Namespace, output: Output) -> int:
    """Store a rating."""
    home = open_home(options.home)
    home.require_home()
    library = PresetLibrary(home)
    library.rate(options.id, options.rating)
    record = library.get(options.id).to_record()
    return _print_result(options, output, f"{options.id}: rated {options.rating}", record)


def _print_result(
    options: argparse.Namespace, output: Output, line: str, record: dict[str, object]
) -> int:
    if options.json:
        output.json(record)
    else:
        output.line(line)
    return EXIT_DONE
