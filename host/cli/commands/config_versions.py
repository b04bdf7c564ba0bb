"""The versions of a configuration: log, diff, rollback, verify, edit, commit."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.cli.home_option import add_bucket_argument, open_bucket, open_home
from host.errors import EXIT_DONE, EXIT_FAILED, HistoryError, HomeError, LostUpdateError, UsageError

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import EditBase, LoadedConfig
    from host.home.home import Home

FILE = "file"
Actions = Any  # argparse does not name the type of its sub-parsers


def configure(actions: Actions) -> None:
    """Add the actions to `trader config`."""
    log = _action(actions, "log", "who changed what, when and why", show_log)
    add_bucket_argument(log)
    commit = _action(actions, "commit", "check the edited file and keep it", commit_file)
    add_bucket_argument(commit)
    commit.add_argument("--reason", help="why (default: `# reason:` in its first lines)")
    diff = _action(actions, "diff", "what differs between versions, or file and version", show_diff)
    add_bucket_argument(diff)
    for name in ("a", "b"):
        text = "a version, or `file` (default: the active version against the file)"
        diff.add_argument(name, metavar=name.upper(), nargs="?", help=text)
    diff.add_argument("--plan", action="store_true", help="also what each would do today")
    back = _action(actions, "rollback", "make an old version the newest one", roll_back)
    add_bucket_argument(back)
    back.add_argument("number", metavar="N", type=int, help="the version to return to")
    edit = _action(actions, "edit", "edit in $EDITOR, see what changes, save", edit_config)
    add_bucket_argument(edit)
    for parser in (back, edit):
        parser.add_argument("--reason", help="why; asked for otherwise")
        parser.add_argument("--yes", action="store_true", help="do not ask")
    verify = _action(actions, "verify", "check every version's hash, set damage aside", verify_all)
    add_bucket_argument(verify, optional=True)


def _action(actions: Actions, name: str, help_text: str, run: object) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def show_version(options: argparse.Namespace, output: Output) -> int:
    """Print the text of a version."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import open_history

    stored = open_history(home, options.bucket).read(options.number)
    if options.json:
        output.json({"bucket_id": options.bucket, **asdict(stored.meta), "text": stored.text})
    else:
        output.line(stored.text.rstrip("\n"))
    return EXIT_DONE


def show_log(options: argparse.Namespace, output: Output) -> int:
    """List the versions, newest first."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import open_history

    metas = [stored.meta for stored in open_history(home, options.bucket).newest_first()]
    if options.json:
        versions = [asdict(meta) for meta in metas]
        output.json({"bucket_id": options.bucket, "versions": versions})
        return EXIT_DONE
    for meta in metas:
        when = meta.created_at[:19].replace("T", " ")
        output.line(
            f"{meta.version:>6}  {when}  {meta.changed_by:<6}  {meta.sha256[:8]}  {meta.reason}"
        )
    if not metas:
        output.line(f"{options.bucket}: no version yet (the first plan or commit makes one)")
    return EXIT_DONE


def commit_file(options: argparse.Namespace, output: Output) -> int:
    """Pick up the edited file."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import commit_edit, read_edit_base

    before = read_edit_base(home, options.bucket).version
    loaded = commit_edit(home, options.bucket, reason=options.reason)
    is_new = loaded.version != before
    if options.json:
        output.json(
            {
                "bucket_id": options.bucket,
                "config_version": loaded.version,
                "config_sha256": loaded.sha256,
                "is_new": is_new,
            }
        )
    else:
        what = "kept as" if is_new else "is already"
        output.line(f"{options.bucket}: {what} version {loaded.version}")
    return EXIT_DONE


def show_diff(options: argparse.Namespace, output: Output) -> int:
    """Show what differs; nothing is written."""
    home = open_bucket(options.home, options.bucket)
    from host.cli.commands.config_review import plans_of, show_meaning, show_plans, show_texts
    from planner_core.config_api.config_diff import semantic_diff, unified_diff

    names = _names(options, home)
    (old_text, old), (new_text, new) = (_side(home, options.bucket, name) for name in names)
    diff = semantic_diff(old.config, new.config)
    plans = plans_of(home, options.bucket, (old, new)) if options.plan else None
    if options.json:
        unified = unified_diff(old_text, new_text, *names)
        record = {"bucket_id": options.bucket, "old": names[0], "new": names[1]}
        output.json({**record, "unified": unified, **diff.to_record(), "plans": plans})
        return EXIT_DONE
    show_texts(old_text, new_text, names, output)
    show_meaning(diff, output)
    if plans is not None:
        show_plans(plans, output)
    return EXIT_DONE


def roll_back(options: argparse.Namespace, output: Output) -> int:
    """Make the text of an old version the newest one."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import open_history, read_edit_base

    base = read_edit_base(home, options.bucket)
    stored = open_history(home, options.bucket).read(options.number)
    otherwise = f"rollback to {options.number}"
    return propose(home, base, stored.text, otherwise, options, output)


def edit_config(options: argparse.Namespace, output: Output) -> int:
    """Edit a copy, show what changes, and save it."""
    home = open_bucket(options.home, options.bucket)
    from host.home.config.load import read_edit_base

    base = read_edit_base(home, options.bucket)
    draft = Path(tempfile.mkdtemp(prefix="trader-")) / f"{options.bucket}.toml"
    draft.write_text(base.text, encoding="utf-8")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.call([*shlex.split(editor), str(draft)])  # noqa: S603 - the user's editor
    except (OSError, ValueError) as error:
        raise UsageError(f"{editor!r:.80} cannot be run: {error} (set EDITOR)") from None
    if code:
        raise UsageError(f"not saved: the editor ended with {code} (your text is in {draft})")
    try:
        text = draft.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"not saved: the edited file cannot be read: {draft}: {why} (run the command again, and"
            " save the text under that name)"
        ) from None
    exit_code = EXIT_FAILED
    try:
        exit_code = propose(home, base, text, "edited", options, output)
    except LostUpdateError:
        output.error(
            f"somebody else changed {options.bucket} while you edited it: run `trader config edit"
            f" {options.bucket}` again and copy your changes from the file below"
        )
        raise
    finally:
        if exit_code != EXIT_DONE:  # refused, declined, or interrupted with Ctrl-C
            output.error(f"not saved; your text is in {draft}")
    if exit_code == EXIT_DONE:
        # Editors leave backup and swap files beside it. It is saved: an error here is no failure.
        shutil.rmtree(draft.parent, ignore_errors=True)
    return exit_code


def propose(
    home: Home,
    base: EditBase,
    text: str,
    otherwise: str,
    options: argparse.Namespace,
    output: Output,
) -> int:
    """Check a text, show what it changes, ask, and make it the newest version.

    Parameters
    ----------
    home : Home
    base : EditBase
        The state that the text was made from. If it has changed since, nothing is saved.
    text : str
    otherwise : str
        The reason, if no other is given.
    options : Namespace
        With bucket, reason, yes and json.
    output : Output

    Raises
    ------
    LostUpdateError
        When somebody else changed the configuration since `base`.
    """
    from host.cli.commands.config_review import ask_reason, ask_to_save, show_meaning, show_texts
    from host.home.config.load import check_document, load_active, replace_config, require_unchanged
    from host.home.storage.toml_file import ConfigFileError, parse_toml
    from planner_core.config_api.config_diff import semantic_diff

    config = check_document(parse_toml(text, f"{options.bucket}.toml"))
    if text != base.text:
        require_unchanged(
            home, options.bucket, base
        )  # before any question; `replace_config` checks again
    try:
        diff = semantic_diff(load_active(home, options.bucket).config, config)
    except ConfigFileError:
        diff = None  # neither a version nor the file: there is nothing to compare with
    if not options.json:
        show_texts(base.text, text, (f"{options.bucket}.toml", "new"), output)
        if diff is not None:
            show_meaning(diff, output)
    if text == base.text:
        output.error(f"{options.bucket}: nothing changed")
        if options.json:
            output.json({"bucket_id": options.bucket, **_as_it_is(home, options), "changed": None})
        return EXIT_DONE
    if not ask_to_save(output, yes=options.yes):
        output.error(f"{options.bucket}: not saved")
        return EXIT_FAILED
    reason = ask_reason(options.reason, otherwise)
    meta = replace_config(home, options.bucket, text, reason=reason, base=base)
    if options.json:
        changed = diff.to_record() if diff is not None else None
        output.json({"bucket_id": options.bucket, **asdict(meta), "changed": changed})
    else:
        output.line(f"\n{options.bucket}: saved as version {meta.version} ({meta.reason})")
    return EXIT_DONE


def _as_it_is(home: Home, options: argparse.Namespace) -> dict[str, object]:
    """Return what is known of the newest version; every key there is, where there is none."""
    from host.home.config.history import ConfigVersion
    from host.home.config.load import open_history

    newest = next(iter(open_history(home, options.bucket).newest_first()), None)
    if newest is None:
        return dict.fromkeys((field.name for field in fields(ConfigVersion)), None)
    return asdict(newest.meta)


def verify_all(options: argparse.Namespace, output: Output) -> int:
    """Verify the versions of one bucket, or of all; 1 when any is damaged."""
    if options.bucket is None:
        home = open_home(options.home)
        buckets = home.require_bucket_ids()
        if not buckets:
            raise HomeError(f"{home.root}: no bucket to verify (run: trader init)")
    else:
        home, buckets = open_bucket(options.home, options.bucket), (options.bucket,)
    from host.home.config.load import open_history

    reports: list[dict[str, object]] = []
    for bucket_id in buckets:
        found = open_history(home, bucket_id).recover()
        active = found.active.version if found.active else 0
        problems = list(found.problems)
        reports.append({"bucket_id": bucket_id, "active": active, "problems": problems})
        output.errors(problems)
        if not options.json:
            output.line(f"{bucket_id}: version {active} is active, {len(problems)} problems")
    is_whole = not any(report["problems"] for report in reports)
    if options.json:
        output.json({"is_whole": is_whole, "buckets": reports})
    return EXIT_DONE if is_whole else EXIT_FAILED


def _names(options: argparse.Namespace, home: Home) -> tuple[str, str]:
    """Return what is compared: A with B, A with the file, or the active version with the file."""
    if options.a is not None:
        return options.a, options.b or FILE
    from host.home.config.load import open_history

    active = open_history(home, options.bucket).active()
    if active is None:
        raise HistoryError(
            f"{options.bucket}: no version yet to compare with (trader config commit"
            f" {options.bucket})"
        )
    return str(active.meta.version), FILE


def _side(home: Home, bucket_id: str, name: str) -> tuple[str, LoadedConfig]:
    """Return text and configuration of a version, or of the file."""
    from host.home.config.load import load_uncommitted, load_version, open_history, read_edit_base

    if name == FILE:
        return read_edit_base(home, bucket_id).text, load_uncommitted(home, bucket_id)
    if not name.isdecimal():
        raise UsageError(f"{name!r:.40} is neither a version nor `{FILE}`")
    stored = open_history(home, bucket_id).read(int(name))
    return stored.text, load_version(stored, home.bucket_file(bucket_id))
