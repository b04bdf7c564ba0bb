"""The whole home as one file, and back again. Secrets stay out of it unless you ask.

It may be made while the appliance runs. A restore checks everything before it touches the home, and
moves the one that was there aside.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.backup.archive import Manifest
    from host.home.home import Home

MIB = 1024 * 1024


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="save the home as one file")
    create.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=".",
        help="a new file, or a folder for one named by the time (default: the current folder)",
    )
    create.add_argument(
        "--with-secrets", action="store_true", help="put tokens, passwords and keys into it too"
    )
    create.set_defaults(run=create_backup)
    verify = actions.add_parser("verify", help="check a backup, change nothing")
    verify.set_defaults(run=verify_backup)
    restore = actions.add_parser("restore", help="make a backup the home")
    restore.add_argument(
        "--replace", action="store_true", help="a home that is there already is moved aside"
    )
    restore.set_defaults(run=restore_backup)
    for action in (verify, restore):
        action.add_argument("file", metavar="FILE", help="what `trader backup create` wrote")
    for action in (create, verify, restore):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def create_backup(options: argparse.Namespace, output: Output) -> int:
    """Save the home."""
    from host.home.backup import backup

    home = open_home(options.home)
    done = backup.create_backup(home, Path(options.file), with_secrets=options.with_secrets)
    output.errors(f"left out: {path} ({why})" for path, why in done.left_out)
    if options.json:
        left_out = [{"path": path, "why": why} for path, why in done.left_out]
        output.json({"path": str(done.path), **_record(done.manifest), "left_out": left_out})
        return EXIT_DONE
    output.errors(
        f"left out: {path} (a secret; add --with-secrets)"
        for path in done.manifest.secrets_left_out
    )
    output.line(f"{done.path}: {_summary(done.manifest)}, read back and compared")
    return EXIT_DONE


def verify_backup(options: argparse.Namespace, output: Output) -> int:
    """Check a backup."""
    from host.home.backup.restore import open_archive

    with open_archive(Path(options.file)) as archive:
        archive.check()
        manifest = archive.manifest
    if options.json:
        output.json({"path": options.file, **_record(manifest)})
    else:
        output.line(f"{options.file}: whole, {_summary(manifest)}, made {manifest.created_at}")
    return EXIT_DONE


def restore_backup(options: argparse.Namespace, output: Output) -> int:
    """Put a backup in the place of the home."""
    from host.home.backup import restore
    from host.home.home import Home

    root = open_home(options.home).root
    done = restore.restore_backup(Path(options.file), root, replace=options.replace)
    problems = _problems_of(Home(done.root))
    output.errors(problems)
    if options.json:
        aside = None if done.aside is None else str(done.aside)
        record = {**_record(done.manifest), "moved_aside": aside, "problems": problems}
        output.json({"home": str(done.root), **record})
        return EXIT_DONE
    output.line(f"{done.root}: restored, {_summary(done.manifest)} of {done.manifest.created_at}")
    if done.aside is not None:
        output.line(f"the home before is in {done.aside}")
    for path in done.manifest.secrets_left_out:
        output.line(f"not in the backup, put it back yourself: {path}")
    return EXIT_DONE


def _problems_of(home: Home) -> list[str]:
    """Return what was wrong already when the backup was made."""
    from host.home.config.history import ConfigHistory

    found = []
    for bucket_id in home.bucket_ids():
        found += ConfigHistory(home.config_history_dir(bucket_id)).problems()
    return found


def _record(manifest: Manifest) -> dict[str, object]:
    return {
        "created_at": manifest.created_at,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "secrets_left_out": list(manifest.secrets_left_out),
    }


def _summary(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {manifest.size / MIB:.1f} MB"
