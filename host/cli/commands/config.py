"""`trader config`: check, show and edit configurations and their versions."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.cli.home_option import open_bucket, open_home
from host.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_USAGE,
    HistoryError,
    HomeError,
    HostError,
    LostUpdateError,
    UsageError,
)
from host.home.config.currency_defaults import base_currency_of, names_targets
from host.home.config.effective_toml import effective_mapping, effective_toml
from host.home.config.history import ConfigVersion
from host.home.config.load import (
    UNCOMMITTED,
    LoadedConfig,
    check_document,
    commit_edit,
    load_active,
    load_uncommitted,
    load_version,
    open_history,
    read_edit_base,
    replace_config,
    require_unchanged,
)
from host.home.config.schemas import SCHEMAS
from host.home.storage.toml_file import ConfigFileError, parse_toml
from host.text import printable
from planner_core.config_api.config_diff import semantic_diff, unified_diff

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import EditBase
    from host.home.home import Home
    from host.home.storage.problems import FileProblem
    from planner_core.config_api.config_diff import ConfigDiff


# --- check and show -------------------------------------------------------------------------------


def check(options: argparse.Namespace, output: Output) -> int:
    """Check the files of one bucket, or of all; 2 when any is wrong."""
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


def show(options: argparse.Namespace, output: Output) -> int:
    """Print the settings in force: those of the file, and the defaults for the rest."""
    if options.number is not None:
        return show_version(options, output)
    home = open_bucket(options.home, options.bucket)
    loaded = load_uncommitted(home, options.bucket)
    currency = base_currency_of(home, options.bucket)
    with_targets = names_targets(home, options.bucket)
    if options.json:
        output.json(
            {
                "bucket_id": options.bucket,
                **_identity(loaded),
                "config": effective_mapping(loaded.config, currency, with_targets=with_targets),
            }
        )
    else:
        output.line(f"# {loaded.path}, version {loaded.version}, sha256 {loaded.sha256}")
        output.line("# Every setting in force; a module that is false is off.\n")
        output.line(effective_toml(loaded.config, currency, with_targets=with_targets).rstrip("\n"))
    return EXIT_DONE


def show_schema(options: argparse.Namespace, output: Output) -> int:
    """Print the schema."""
    output.json(SCHEMAS[options.kind]())
    return EXIT_DONE


def _report(
    bucket_id: str, home: Home, options: argparse.Namespace, output: Output
) -> dict[str, object]:
    """Check the files of a bucket, print what is wrong, and return the result as plain data."""
    path = home.bucket_file(bucket_id)
    problems: list[dict[str, object]] = []
    try:
        loaded = load_uncommitted(home, bucket_id)
    except ConfigFileError as error:
        if not options.json:
            for problem in error.problems:
                output.error_block(problem.explained())
        output.error(f"{bucket_id}: {_count(len(error.problems))} in {path}")
        problems = [_problem(problem) for problem in error.problems]
        # The other files are checked all the same, by the defaults.
        defaults = check_document(parse_toml("# defaults\n", "defaults"))
        loaded = LoadedConfig(defaults, "", UNCOMMITTED, path)
    data = _report_data(bucket_id, home, loaded, options, output)
    is_valid = not problems and bool(data["valid"])
    if is_valid and not options.json:
        output.line(f"{bucket_id}: valid ({path})")
    identity = {"path": str(path)} if problems else _identity(loaded)
    return {
        "bucket_id": bucket_id,
        "valid": is_valid,
        **identity,
        "problems": problems,
        "data": data,
    }


def _report_data(
    bucket_id: str,
    home: Home,
    loaded: LoadedConfig,
    options: argparse.Namespace,
    output: Output,
) -> dict[str, object]:
    """Check portfolio, ledger and market data by what a plan would say about them."""
    from host.home.config.input_review import review_inputs  # numpy: not for other actions

    review = review_inputs(home, bucket_id, loaded)
    findings = [finding for finding in review.findings if finding.severity.value != "info"]
    if not options.json:
        for problem in review.problems:
            output.error_block(problem.explained())
        for finding in findings:
            cure = f" ({finding.action})" if finding.action else ""
            output.error(f"{finding.severity.value}: {finding.message}{cure}")
    # A finding that stops the plan is its obstacle too: say it once.
    is_said = review.obstacle is None or any(
        finding.message in review.obstacle for finding in review.errors
    )
    if not is_said:
        output.error(f"{bucket_id}: no plan can be made: {review.obstacle}")
    count = len(review.problems) + len(review.errors) + (not is_said)
    if count:
        output.error(f"{bucket_id}: {_count(count)} in portfolio, ledger or market data")
    return {
        "valid": not count,
        "obstacle": review.obstacle,
        "problems": [{"file": problem.source, **_problem(problem)} for problem in review.problems],
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "message": finding.message,
                "action": finding.action or None,
                "security": finding.security,
            }
            for finding in findings
        ],
    }


def _count(n_problems: int) -> str:
    return "1 problem" if n_problems == 1 else f"{n_problems} problems"


def _identity(loaded: LoadedConfig) -> dict[str, object]:
    return {
        "path": str(loaded.path),
        "config_version": loaded.version,
        "config_sha256": loaded.sha256,
    }


def _problem(problem: FileProblem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}


# --- versions -------------------------------------------------------------------------------------

FILE = "file"


def show_version(options: argparse.Namespace, output: Output) -> int:
    """Print the text of a version."""
    home = open_bucket(options.home, options.bucket)

    stored = open_history(home, options.bucket).read(options.number)
    if options.json:
        output.json({"bucket_id": options.bucket, **asdict(stored.meta), "text": stored.text})
    else:
        output.line(stored.text.rstrip("\n"))
    return EXIT_DONE


def show_log(options: argparse.Namespace, output: Output) -> int:
    """List the versions, newest first."""
    home = open_bucket(options.home, options.bucket)

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

    names = _names(options, home)
    (old_text, old), (new_text, new) = (_side(home, options.bucket, name) for name in names)
    diff = semantic_diff(old.config, new.config)
    plans = plans_of(home, options.bucket, (old, new)) if options.plan else None
    if options.json:
        unified = unified_diff(old_text, new_text, *names)
        record = {"bucket_id": options.bucket, "old": names[0], "new": names[1]}
        output.json({**record, "unified": unified, **diff.to_record(), "plans": plans})
        return EXIT_DONE
    if old_text == new_text:
        output.line("nothing changed")
    show_change((old_text, new_text), names, diff, output)
    if plans is not None:
        show_plans(plans, output)
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
    config = check_document(parse_toml(text, f"{options.bucket}.toml"))
    if text != base.text:
        # Before any question; `replace_config` checks again.
        require_unchanged(home, options.bucket, base)
    try:
        diff = semantic_diff(load_active(home, options.bucket).config, config)
    except ConfigFileError:
        diff = None  # neither a version nor the file: there is nothing to compare with
    if not options.json:
        show_change((base.text, text), (f"{options.bucket}.toml", "new"), diff, output)
    if text == base.text:
        output.error(f"{options.bucket}: nothing changed")
        if options.json:
            output.json(
                {"bucket_id": options.bucket, **_newest_version(home, options), "changed": None}
            )
        return EXIT_DONE
    if not ask_to_save(output, yes=options.yes):
        return EXIT_FAILED
    reason = ask_reason(options.reason, otherwise)
    meta = replace_config(home, options.bucket, text, reason=reason, base=base)
    if options.json:
        changed = diff.to_record() if diff is not None else None
        output.json({"bucket_id": options.bucket, **asdict(meta), "changed": changed})
    else:
        output.line(f"\n{options.bucket}: saved as version {meta.version} ({meta.reason})")
    return EXIT_DONE


def _newest_version(home: Home, options: argparse.Namespace) -> dict[str, object]:
    """Return the metadata of the newest version; None for each key without a version."""
    newest = next(iter(open_history(home, options.bucket).newest_first()), None)
    if newest is None:
        return dict.fromkeys((field.name for field in fields(ConfigVersion)), None)
    return asdict(newest.meta)


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


def _names(options: argparse.Namespace, home: Home) -> tuple[str, str]:
    """Return the two sides: A and B, A and the file, or the active version and the file."""
    if options.a is not None:
        return options.a, options.b or FILE

    active = open_history(home, options.bucket).active()
    if active is None:
        raise HistoryError(
            f"{options.bucket}: there is no version to compare with yet (trader config"
            f" commit {options.bucket})"
        )
    return str(active.meta.version), FILE


def _side(home: Home, bucket_id: str, name: str) -> tuple[str, LoadedConfig]:
    """Return text and configuration of a version, or of the file."""
    if name == FILE:
        return read_edit_base(home, bucket_id).text, load_uncommitted(home, bucket_id)
    if not name.isdecimal():
        raise UsageError(f"{name!r:.40} is neither a version nor `{FILE}`")
    stored = open_history(home, bucket_id).read(int(name))
    return stored.text, load_version(stored, home.bucket_file(bucket_id))


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


def plans_of(home: Home, bucket_id: str, both: tuple[LoadedConfig, LoadedConfig]) -> dict[str, Any]:
    """Return today's plan with each configuration; nothing is stored."""
    from host.planning.plan_run import RunOptions, make_plan  # numpy: only for --plan

    plans: dict[str, Any] = {}
    for name, config in zip(("old", "new"), both, strict=True):
        options = RunOptions(load_config=lambda *_, loaded=config: loaded)
        plans[name] = make_plan(home, bucket_id, options).record
    return plans


def show_plans(plans: dict[str, Any], output: Output) -> None:
    """Print both plans, a line per step."""
    for name, record in plans.items():
        score = record["score"]
        gain = f", gain {score['gain']:.4%}" if score else ""
        output.line(f"\ntoday's plan, {name}: {record['outcome']}{gain}")
        if record["reason"]:
            output.line(f"  {printable(str(record['reason']))}")
        for step in record["steps"]:
            output.line(
                f"  {step['side']} {step['quantity']:g} {step['security']}"
                f" ({step['value']:,.0f} {record['currency']})"
            )


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
