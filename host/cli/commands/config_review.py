"""A change of a configuration, shown before it is saved: as text, as meaning, and as plans."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from host.errors import UsageError
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.load import LoadedConfig
    from host.home.home import Home
    from planner_core.config_api.config_diff import ConfigDiff

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show_texts(old: str, new: str, names: tuple[str, str], output: Output) -> None:
    """Print the unified difference, coloured on a terminal."""
    from rich.text import Text

    from planner_core.config_api.config_diff import unified_diff

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
    """Return what each configuration would do today; nothing is stored."""
    from host.planning.plan_run import RunOptions, make_plan

    answers: dict[str, Any] = {}
    for name, config in zip(("old", "new"), both, strict=True):
        options = RunOptions(load_config=lambda *_, loaded=config: loaded)
        answers[name] = make_plan(home, bucket_id, options).record
    return answers


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
    """Ask whether the change is meant; with nobody to ask, `--yes` has to say so.

    Raises
    ------
    UsageError
        When there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("not saved: there is nobody to ask here (add --yes)")
    output.flush()
    return input("save this? [y/N] ").strip().lower() in {"y", "yes"}


def ask_reason(given: str | None, otherwise: str) -> str:
    """Return the reason that was given, or ask for it."""
    if given or not sys.stdin.isatty():
        return given or otherwise
    return input(f"reason [{otherwise}]: ").strip() or otherwise
