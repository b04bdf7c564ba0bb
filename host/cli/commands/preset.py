"""Presets: named configurations, shipped and your own, to look at, apply, keep and pass on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import add_bucket_argument, open_bucket, open_home
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    from host.cli.output import Output


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    rows = (
        ("list", "the presets there are", list_presets),
        ("show", "what a preset says, and its configuration", show_preset),
        ("save", "keep a bucket's configuration as a preset", save_preset),
        ("apply", "make a preset the configuration of a bucket", apply_preset),
        ("import", "add a preset's file", import_preset),
        ("export", "write a preset as one file with its checksum", export_preset),
        ("rate", "keep what you think of a preset", rate_preset),
    )
    parsers = {}
    for name, summary, run in rows:
        parsers[name] = actions.add_parser(name, help=summary)
        parsers[name].add_argument("--json", action="store_true", help="print one JSON object")
        parsers[name].set_defaults(run=run)
    parsers["list"].add_argument("--tag", help="only those with this tag")
    add_bucket_argument(parsers["save"])
    for name in ("show", "save", "apply", "export", "rate"):
        parsers[name].add_argument("id", metavar="ID", help="such as low-turnover")
    add_bucket_argument(parsers["apply"])
    for name in ("import", "export"):
        parsers[name].add_argument("file", metavar="FILE")
    parsers["rate"].add_argument("rating", metavar="1-5", type=int)
    for key in ("name", "description", "author"):
        parsers["save"].add_argument(f"--{key}")
    parsers["save"].add_argument("--tag", action="append", default=[])
    parsers["apply"].add_argument("--yes", action="store_true", help="do not ask")
    parsers["apply"].add_argument("--reason", help="why; asked for otherwise")


def list_presets(options: argparse.Namespace, output: Output) -> int:
    """List id, rating, uses, name."""
    from host.home.config.presets import PresetLibrary

    library = PresetLibrary(open_home(options.home))
    presets = library.list(options.tag)
    output.errors(library.problems)
    if options.json:
        output.json({"presets": [preset.to_record() for preset in presets]})
        return EXIT_DONE
    for preset in presets:
        stars = "*" * (preset.rating or 0)
        output.line(f"{preset.id:<26} {stars:<5} {preset.name}: {preset.description}")
    return EXIT_DONE


def show_preset(options: argparse.Namespace, output: Output) -> int:
    """Print metadata and configuration."""
    from host.home.config.presets import PresetLibrary

    preset = PresetLibrary(open_home(options.home)).get(options.id)
    if options.json:
        output.json({**preset.to_record(), "config": preset.config_text})
        return EXIT_DONE
    for key, value in preset.to_record().items():
        output.line(f"# {key}: {value}")
    output.line(preset.config_text.rstrip("\n"))
    return EXIT_DONE


def save_preset(options: argparse.Namespace, output: Output) -> int:
    """Keep the configuration of a bucket, as its file says it."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import load_uncommitted, read_edit_base
    from host.home.config.presets import PresetLibrary, preset_text

    load_uncommitted(home, options.bucket)  # a file that is wrong is refused with its places
    text = preset_text(
        options.id,
        read_edit_base(home, options.bucket).text,
        name=options.name,
        description=options.description,
        author=options.author,
        tags=tuple(options.tag),
    )
    preset = PresetLibrary(home).add(text, options.id)
    return _said(options, output, f"{preset.id}: saved", preset.to_record())


def apply_preset(options: argparse.Namespace, output: Output) -> int:
    """Show what changes, ask, and make it a version."""
    home = open_bucket(options.home, options.bucket)
    from host.cli.commands.config_versions import propose
    from host.home.config.load import read_edit_base
    from host.home.config.presets import PresetLibrary

    library = PresetLibrary(home)
    preset = library.get(options.id)
    base = read_edit_base(home, options.bucket)
    code = propose(home, base, preset.config_text, f"preset {preset.id}", options, output)
    if code == EXIT_DONE and read_edit_base(home, options.bucket).version != base.version:
        library.note_applied(preset.id)
    return code


def import_preset(options: argparse.Namespace, output: Output) -> int:
    """Check a file and add it."""
    from host.home.config.presets import PresetLibrary
    from host.home.storage.toml_file import read_toml

    home = open_home(options.home)
    home.require_home()
    text = read_toml(Path(options.file)).text
    preset = PresetLibrary(home).add(text, options.file)
    return _said(options, output, f"{preset.id}: imported", preset.to_record())


def export_preset(options: argparse.Namespace, output: Output) -> int:
    """Write a file that can be imported elsewhere."""
    from host.home.config.presets import PresetError, PresetLibrary, preset_text
    from host.home.storage.atomic_file import write_new

    preset = PresetLibrary(open_home(options.home)).get(options.id)
    about = preset.to_record() | {"tags": preset.tags}
    about.pop("id")
    text = preset_text(preset.id, preset.config_text, **about)
    if not write_new(Path(options.file), text.encode()):
        raise PresetError(f"{options.file}: is there already (choose another name)")
    return _said(options, output, f"{preset.id}: written to {options.file}", preset.to_record())


def rate_preset(options: argparse.Namespace, output: Output) -> int:
    """Keep a rating."""
    from host.home.config.presets import PresetLibrary

    home = open_home(options.home)
    home.require_home()
    library = PresetLibrary(home)
    library.rate(options.id, options.rating)
    record = library.get(options.id).to_record()
    return _said(options, output, f"{options.id}: rated {options.rating}", record)


def _said(options: argparse.Namespace, output: Output, line: str, record: dict[str, object]) -> int:
    if options.json:
        output.json(record)
    else:
        output.line(line)
    return EXIT_DONE
