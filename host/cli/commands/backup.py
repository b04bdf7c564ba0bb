"""`trader backup`: create, verify and restore a backup of the home."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE
from host.home.backup.backup import create_backup
from host.home.backup.restore import open_archive, restore_backup
from host.home.config.history import ConfigHistory
from host.home.home import Home

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.backup.archive import Manifest

MIB = 1024 * 1024


def create(options: argparse.Namespace, output: Output) -> int:
    """Save the home."""
    home = open_home(options.home)
    created = create_backup(home, Path(options.file), with_secrets=options.with_secrets)
    output.errors(f"left out: {path} ({why})" for path, why in created.left_out)
    if options.json:
        left_out = [{"path": path, "why": why} for path, why in created.left_out]
        output.json({"path": str(created.path), **_record(created.manifest), "left_out": left_out})
        return EXIT_DONE
    output.errors(
        f"left out: {path} (a secret; add --with-secrets)"
        for path in created.manifest.secrets_left_out
    )
    output.line(f"{created.path}: {_summary(created.manifest)}, read back and compared")
    return EXIT_DONE


def verify(options: argparse.Namespace, output: Output) -> int:
    """Check a backup."""
    with open_archive(Path(options.file)) as archive:
        archive.check()
        manifest = archive.manifest
    if options.json:
        output.json({"path": options.file, **_record(manifest)})
    else:
        output.line(f"{options.file}: whole, {_summary(manifest)}, made {manifest.created_at}")
    return EXIT_DONE


def restore(options: argparse.Namespace, output: Output) -> int:
    """Replace the home by a backup."""
    root = open_home(options.home).root
    restored = restore_backup(Path(options.file), root, replace=options.replace)
    problems = _problems_of(Home(restored.root))
    output.errors(problems)
    if options.json:
        aside = None if restored.aside is None else str(restored.aside)
        record = {**_record(restored.manifest), "moved_aside": aside, "problems": problems}
        output.json({"home": str(restored.root), **record})
        return EXIT_DONE
    summary = _summary(restored.manifest)
    output.line(f"{restored.root}: restored, {summary} of {restored.manifest.created_at}")
    if restored.aside is not None:
        output.line(f"the old home is now in {restored.aside}")
    for path in restored.manifest.secrets_left_out:
        output.line(f"not in the backup, restore it yourself: {path}")
    return EXIT_DONE


def _problems_of(home: Home) -> list[str]:
    """Return the problems that were in the home before its backup."""
    problems = []
    for bucket_id in home.bucket_ids():
        problems += ConfigHistory(home.config_history_dir(bucket_id)).problems()
    return problems


def _record(manifest: Manifest) -> dict[str, object]:
    return {
        "created_at": manifest.created_at,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "secrets_left_out": list(manifest.secrets_left_out),
    }


def _summary(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {manifest.size / MIB:.1f} MB"
