"""Check the configuration of buckets, by the very path everything loads it by, or show it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.commands import config_versions
from host.cli.home_option import add_bucket_argument, open_bucket, open_home
from host.errors import EXIT_DONE, EXIT_USAGE, HomeError

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import LoadedConfig
    from host.home.home import Home
    from host.home.storage.problems import FileProblem


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser("check", help="list everything that is wrong, with its place")
    add_bucket_argument(check, optional=True)
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=check_configs)
    show = actions.add_parser("show", help="every setting in force, with its unit; or a version")
    add_bucket_argument(show)
    show.add_argument("number", metavar="N", nargs="?", type=int, help="the text of a version")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    show.set_defaults(run=show_config)
    config_versions.configure(actions)
    schema = actions.add_parser("schema", help="the JSON Schema of a kind of file, for editors")
    schema.add_argument(
        "kind",
        metavar="KIND",
        nargs="?",
        default="bucket",
        choices=("bucket", "device", "portfolio"),
        help="bucket (the default; presets too), device or portfolio",
    )
    schema.set_defaults(run=show_schema)


def check_configs(options: argparse.Namespace, output: Output) -> int:
    """Check one bucket's configuration, or all; 2 when any is wrong."""
    if options.bucket is None:
        home = open_home(options.home)
        buckets = home.require_bucket_ids()
        if not buckets:
            message = "no bucket to check (run: trader init, or with --demo)"
            raise HomeError(f"{home.root}: {message}")
    else:
        home = open_bucket(options.home, options.bucket)
        buckets = (options.bucket,)
    reports = [_report(bucket, home, options, output) for bucket in buckets]
    valid = all(report["valid"] for report in reports)
    if options.json:
        output.json({"valid": valid, "buckets": reports})
    return EXIT_DONE if valid else EXIT_USAGE


def show_config(options: argparse.Namespace, output: Output) -> int:
    """Print the settings in force: those of the file, and the defaults for the rest."""
    if options.number is not None:
        return config_versions.show_version(options, output)
    home = open_bucket(options.home, options.bucket)
    from host.home.config.effective_toml import effective_mapping, effective_toml
    from host.home.config.load import load_uncommitted

    loaded = load_uncommitted(home, options.bucket)
    if options.json:
        output.json(
            {
                "bucket_id": options.bucket,
                **_identity(loaded),
                "config": effective_mapping(loaded.config),
            }
        )
    else:
        output.line(f"# {loaded.path}, version {loaded.version}, sha256 {loaded.sha256}")
        output.line("# Every setting in force; a module that is false is off.\n")
        output.line(effective_toml(loaded.config).rstrip("\n"))
    return EXIT_DONE


def show_schema(options: argparse.Namespace, output: Output) -> int:
    """Print the schema."""
    from host.home.config.schemas import SCHEMAS

    output.json(SCHEMAS[options.kind]())
    return EXIT_DONE


def _report(
    bucket_id: str, home: Home, options: argparse.Namespace, output: Output
) -> dict[str, object]:
    """Check one file, say what is wrong, and return it as plain data."""
    from host.home.config.load import load_uncommitted
    from host.home.storage.toml_file import ConfigFileError

    path = home.bucket_file(bucket_id)
    try:
        loaded = load_uncommitted(home, bucket_id)
    except ConfigFileError as error:
        if not options.json:
            for problem in error.problems:
                output.error_block(problem.explained())
        what = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
        output.error(f"{bucket_id}: {what} in {path}")
        problems = [_problem(problem) for problem in error.problems]
        return {"bucket_id": bucket_id, "valid": False, "path": str(path), "problems": problems}
    if not options.json:
        output.line(f"{bucket_id}: valid ({path})")
    return {"bucket_id": bucket_id, "valid": True, **_identity(loaded), "problems": []}


def _identity(loaded: LoadedConfig) -> dict[str, object]:
    return {
        "path": str(loaded.path),
        "config_version": loaded.version,
        "config_sha256": loaded.sha256,
    }


def _problem(problem: FileProblem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}
