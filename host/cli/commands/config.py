"""`trader config`: check, show and edit configurations and their versions."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from host.cli.home_option import open_bucket, open_home
from host.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_USAGE,
    HomeError,
    HostError,
    LostUpdateError,
    UsageError,
)
from host.home.config.currency_defaults import base_currency_of, names_targets
from host.home.config.effective_toml import effective_toml
from host.home.config.load import (
    commit_edit,
    load_uncommitted,
    open_history,
    read_edit_base,
)
from host.home.config.schemas import SCHEMAS, bucket_schema
from host.home.storage.toml_file import ConfigFileError
from host.operations.buckets import select_buckets
from host.operations.configs import (
    compare,
    config_in_force,
    prepare_change,
    review_bucket,
    reviews_to_json,
    save_change,
    version_log,
    version_record,
)
from host.text import printable
from planner_core.config_api.config_diff import unified_diff

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import EditBase
    from host.home.home import Home
    from host.operations.configs import BucketReview
    from planner_core.config_api.config_diff import ConfigDiff


# --- check and show -------------------------------------------------------------------------------


def check(options: argparse.Namespace, output: Output) -> int:
    """Check the files of one bucket, or of all; 2 when any is wrong."""
    home = open_home(options.home)
    buckets = select_buckets(home, options.bucket)
    if not buckets:
        message = "no bucket to check (run: trader init, or with --demo)"
        raise HomeError(f"{home.root}: {message}")
    reviews = []
    for bucket_id in buckets:
        review = review_bucket(home, bucket_id)
        _print_review(review, output, quiet=options.json)
        reviews.append(review)
    if options.json:
        output.json(reviews_to_json(reviews))
    return EXIT_DONE if all(review.is_valid for review in reviews) else EXIT_USAGE


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the settings in force: those of the file, and the defaults for the rest."""
    if options.number is not None:
        return show_version(options, output)
    home = open_bucket(options.home, options.bucket)
    loaded = load_uncommitted(home, options.bucket)
    if options.json:
        output.json(config_in_force(home, options.bucket, loaded))
        return EXIT_DONE
    currency = base_currency_of(home, options.bucket)
    with_targets = names_targets(home, options.bucket)
    output.line(f"# {loaded.path}, version {loaded.version}, sha256 {loaded.sha256}")
    output.line("# Every setting in force; a module that is false is off.\n")
    output.line(effective_toml(loaded.config, currency, with_targets=with_targets).rstrip("\n"))
    return EXIT_DONE


def show_schema(options: argparse.Namespace, output: Output) -> int:
    """Print the schema; that of a bucket has the plugins of the home."""
    if options.kind == "bucket":
        from host.home.config.plugin_catalogue import modules_of

        output.document(bucket_schema(modules_of(open_home(options.home))))
    else:
        output.document(SCHEMAS[options.kind]())
    return EXIT_DONE


def _print_review(review: BucketReview, output: Output, *, quiet: bool) -> None:
    """Print what is wrong; with `quiet` only the counts, because the JSON has the rest."""
    bucket_id, inputs = review.bucket_id, review.inputs
    if not quiet:
        for problem in review.problems:
            output.error_block(problem.explained())
    if review.problems:
        output.error(f"{bucket_id}: {_count(len(review.problems))} in {review.path}")
    if not quiet:
        for problem in inputs.problems:
            output.error_block(problem.explained())
        for finding in review.findings:
            cure = f" ({finding.action})" if finding.action else ""
            output.error(f"{finding.severity.value}: {finding.message}{cure}")
    if review.unsaid_obstacle is not None:
        output.error(f"{bucket_id}: no plan can be made: {review.unsaid_obstacle}")
    if review.n_data_problems:
        what = _count(review.n_data_problems)
        output.error(f"{bucket_id}: {what} in portfolio, ledger or market data")
    if review.is_valid and not quiet:
        output.line(f"{bucket_id}: valid ({review.path})")


def _count(n_problems: int) -> str:
    return "1 problem" if n_problems == 1 else f"{n_problems} problems"


# --- versions -------------------------------------------------------------------------------------


def show_version(options: argparse.Namespace, output: Output) -> int:
    """Print the text of a version."""
    home = open_bucket(options.home, options.bucket)
    record = version_record(home, options.bucket, options.number)
    if options.json:
        output.json(record)
    else:
        output.line(str(record["text"]).rstrip("\n"))
    return EXIT_DONE


def show_log(options: argparse.Namespace, output: Output) -> int:
    """List the versions, newest first."""
    home = open_bucket(options.home, options.bucket)
    if options.json:
        output.json(version_log(home, options.bucket))
        return EXIT_DONE
    metas = [stored.meta for stored in open_history(home, options.bucket).newest_first()]
    for meta in metas:
        when = meta.created_at[:19].replace("T", " ")
        output.line(
            f"{meta.version:>6}  {when}  {meta.changed_by:<6}  {meta.sha256[:8]}  {meta.reason}"
        )
    if not metas:
        output.line(f"{options.bucket}: no version yet (the first plan or commit makes one)")
    return EXIT_DONE


def commit_file(options: argparse.Namespace, output: Output) -> int:
    """Make the edited file a version."""
    home = open_bucket(options.home, options.bucket)

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
        what = "stored as" if is_new else "is already"
        output.line(f"{options.bucket}: {what} version {loaded.version}")
    return EXIT_DONE


def show_diff(options: argparse.Namespace, output: Output) -> int:
    """Show what differs; nothing is written."""
    home = open_bucket(options.home, options.bucket)
    comparison = compare(home, options.bucket, options.a, options.b)
    old, new = comparison.old, comparison.new
    plans = None
    if options.runs_modules:
        from host.operations.ab_test import compare_change  # numpy: only with --plan

        plans = compare_change(home, comparison)
    if options.json:
        output.json(
            comparison.to_json()
            if plans is None
            else comparison.to_json(plans.records, plans.answer_to_json())
        )
        return EXIT_DONE
    if old.text == new.text:
        output.line("nothing changed")
    show_change((old.text, new.text), (old.name, new.name), comparison.meaning, output)
    if plans is not None:
        from host.presentation.comparison_view import print_comparison  # rich: only with --plan

        output.line()
        print_comparison(output.console(), plans.comparison, *plans.views())
    return EXIT_DONE


def roll_back(options: argparse.Namespace, output: Output) -> int:
    """Make the text of an old version the newest one."""
    home = open_bucket(options.home, options.bucket)

    base = read_edit_base(home, options.bucket)
    stored = open_history(home, options.bucket).read(options.number)
    otherwise = f"rollback to {options.number}"
    exit_code = propose(home, base, stored.text, otherwise, options, output)
    if exit_code != EXIT_DONE:
        output.error(f"{options.bucket}: not saved")
    return exit_code


def edit(options: argparse.Namespace, output: Output) -> int:
    """Edit a copy, show what changes, and save it."""
    home = open_bucket(options.home, options.bucket)
    base = read_edit_base(home, options.bucket)
    draft = Path(tempfile.mkdtemp(prefix="trader-")) / f"{options.bucket}.toml"
    draft.write_text(base.text, encoding="utf-8")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.call([*shlex.split(editor), str(draft)])  # noqa: S603 - the user's editor
    except (OSError, ValueError) as error:
        shutil.rmtree(draft.parent, ignore_errors=True)  # nothing was edited
        why = (getattr(error, "strerror", None) or str(error)).lower()
        why = "no such file" if isinstance(error, FileNotFoundError) else why
        raise UsageError(f"cannot run the editor {editor!r:.80}: {why} (set EDITOR)") from None
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
    try:
        exit_code = propose(home, base, text, "edited", options, output)
    except LostUpdateError as error:
        raise LostUpdateError(f"not saved: {error}; your text is in {draft}") from None
    except UsageError as error:
        raise UsageError(f"{error}; your text is in {draft}") from None
    except ConfigFileError as error:
        output.errors(error.lines)
        output.error(f"not saved; your text is in {draft}")
        return EXIT_USAGE
    except (HostError, KeyboardInterrupt):
        output.error(f"\nnot saved; your text is in {draft}")  # on a line after the question
        raise
    if exit_code == EXIT_DONE:
        # Editors leave backup and swap files there. The text is saved, so errors are ignored.
        shutil.rmtree(draft.parent, ignore_errors=True)
    else:
        output.error(f"{options.bucket}: not saved; your text is in {draft}")
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

    Returns
    -------
    int
        EXIT_FAILED when the user declined, which the caller reports.

    Raises
    ------
    LostUpdateError
        When somebody else changed the configuration since `base`.
    """
    change = prepare_change(home, options.bucket, base, text)
    if not options.json:
        show_change((base.text, text), (f"{options.bucket}.toml", "new"), change.meaning, output)
    if change.is_empty:
        output.error(f"{options.bucket}: nothing changed")
        if options.json:
            output.json(save_change(home, change, otherwise))
        return EXIT_DONE
    if not ask_to_save(output, yes=options.yes):
        return EXIT_FAILED
    saved = save_change(home, change, ask_reason(options.reason, otherwise))
    if options.json:
        output.json(saved)
    else:
        version = f"saved as version {saved['version']} ({saved['reason']})"
        output.line(f"\n{options.bucket}: {version}")
    return EXIT_DONE


def verify(options: argparse.Namespace, output: Output) -> int:
    """Verify the versions of one bucket, or of all; 1 when any is damaged."""
    if options.bucket is None:
        home = open_home(options.home)
        buckets = home.require_bucket_ids()
        if not buckets:
            raise HomeError(f"{home.root}: no bucket to verify (run: trader init)")
    else:
        home, buckets = open_bucket(options.home, options.bucket), (options.bucket,)

    reports: list[dict[str, object]] = []
    for bucket_id in buckets:
        recovery = open_history(home, bucket_id).recover()
        active = recovery.active.version if recovery.active else 0
        problems = list(recovery.problems)
        reports.append({"bucket_id": bucket_id, "active": active, "problems": problems})
        output.errors(problems)
        if not options.json:
            output.line(f"{bucket_id}: version {active} is active, {len(problems)} problems")
    is_whole = not any(report["problems"] for report in reports)
    if options.json:
        output.json({"is_whole": is_whole, "buckets": reports})
    return EXIT_DONE if is_whole else EXIT_FAILED


# --- a change, shown before it is saved ---------------------------------------------------------

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show_change(
    texts: tuple[str, str], names: tuple[str, str], diff: ConfigDiff | None, output: Output
) -> None:
    """Print what changes in the text, and what that means; nothing for equal texts."""
    old, new = texts
    if old == new:
        return
    show_texts(old, new, names, output)
    if diff is not None:
        show_meaning(diff, output)


def show_texts(old: str, new: str, names: tuple[str, str], output: Output) -> None:
    """Print the unified difference, coloured on a terminal."""
    from rich.text import Text  # slow to import: `config check` needs neither

    console = output.console()
    for line in unified_diff(old, new, *names):
        style = COLOURS.get(line[:1], "")
        console.print(Text(printable(line), style=style), soft_wrap=True)


def show_meaning(diff: ConfigDiff, output: Output) -> None:
    """Print what the planner will do differently."""
    output.line("\nwhat it means:")
    for line in diff.lines():
        output.line(f"  {line}")
    if diff.is_empty:
        output.line("  nothing: only comments, order or defaults that are written out")


def ask_to_save(output: Output, *, yes: bool) -> bool:
    """Ask whether to save the change; without a terminal `--yes` is required."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("not saved: cannot ask without a terminal (add --yes)")
    output.flush()
    return input("save this? [y/N] ").strip().lower() in {"y", "yes"}


def ask_reason(option: str | None, otherwise: str) -> str:
    """Return the reason of the option, or ask for it."""
    if option or not sys.stdin.isatty():
        return option or otherwise
    return input(f"reason [{otherwise}]: ").strip() or otherwise
