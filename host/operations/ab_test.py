"""Two configurations of a bucket on today's state: which plan is better. Nothing is written.

A side is a version of the bucket's history (`3`, `v3`), its file as it is on disk (`current`), a
TOML file, or a preset, each with or without plugins. A side that is not valid, that has no plan, or
whose planner crashes is part of the answer.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.errors import HistoryError, NotFoundError, UsageError, did_you_mean
from host.home.config.load import (
    UNCOMMITTED,
    LoadedConfig,
    check_document,
    load_config_file,
    load_uncommitted,
    load_version,
    open_history,
)
from host.home.config.plugin_catalogue import (
    SWITCH_ON,
    modules_of,
    modules_without_plugins,
    plugins_are_on,
)
from host.home.config.presets import PresetError, PresetLibrary
from host.home.storage.toml_file import PATH_ADVICE, ConfigFileError, parse_toml
from host.operations.dry_run import REQUEST_SOURCE
from host.operations.problems import problem_to_json
from host.planning.plan_pair import PairConfig, PairOptions, SideRun, plan_pair
from host.presentation.comparison_text import FAILED, SideView, verdict_lines
from planner_core.explain.comparison import (
    DISTANCE,
    Comparison,
    Judgement,
    Verdict,
    compare_plans,
    least_gain,
)
from planner_core.model.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.home.home import Home
    from host.home.plan_store import PlanRecord
    from host.operations.configs import Comparison as ConfigComparison
    from planner_core.model.plan import Plan, Step
    from planner_core.modules.registry import Registries

CURRENT: Final = ("current", "file")
"""The bucket's file as it is on disk; `config diff` calls it `file`."""
VERSION = re.compile(r"v?(\d{1,9})")
INVALID: Final = "INVALID"
CRASHED: Final = "CRASHED"
"""Outcomes of a side, beside those of plans."""
PLUGIN_FAILED: Final = "plugin_failed"
"""The finding of a plan about a plugin that it was made without: `label: reason`."""
FIGURES: Final = (
    "score_before", "end_score", "gain", "n_steps", "cash_required", "costs", "tax", "turnover",
    "distance_before", "distance_after", "violation_after", "n_candidates", "n_sequences",
    "is_complete", "runtime_s",
)  # fmt: skip
"""Of a side with a plan; null without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbRequest:
    """The two sides, and what the plans are to be made for.

    Parameters
    ----------
    a, b : str
    invest : float, base currency
    buy_only : bool
    plugins_a, plugins_b : bool, optional
        Whether the modules of plugins take part; None: as in every plan.
    """

    a: str
    b: str
    invest: float = 0.0
    buy_only: bool = False
    plugins_a: bool | None = None
    plugins_b: bool | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A configuration to compare.

    Parameters
    ----------
    name : str
        As it was given.
    kind : str
        `version`, `current`, `file`, `preset`, or `text` of a request.
    loaded : LoadedConfig, optional
        None when it is not valid.
    lines : tuple of str
        What is wrong, for people.
    problems : tuple of dict
        Places of what is wrong.
    modules : Registries, optional
        Modules to plan with; None: those of the planner and of the plugins.
    """

    name: str
    kind: str
    loaded: LoadedConfig | None
    lines: tuple[str, ...] = ()
    problems: tuple[dict[str, object], ...] = ()
    modules: Registries | None = None

    @property
    def label(self) -> str:
        """The name, and whether plugins are left out."""
        return self.name if self.modules is None else f"{self.name} without plugins"


@dataclass(frozen=True, slots=True)
class AbTest:
    """Both sides with their plans, and the comparison.

    Parameters
    ----------
    bucket_id : str
    sides : (Side, Side)
    runs : (SideRun or None, SideRun or None)
        None for a side that is not valid.
    comparison : Comparison
    titles : (str, str)
        How sentences call the sides.
    """

    bucket_id: str
    sides: tuple[Side, Side]
    runs: tuple[SideRun | None, SideRun | None]
    comparison: Comparison
    titles: tuple[str, str] = ("A", "B")

    @property
    def is_valid(self) -> bool:
        """True if both configurations are."""
        return all(side.loaded is not None for side in self.sides)

    @property
    def has_plans(self) -> bool:
        """True if both sides have a plan."""
        return all(run is not None and run.contender is not None for run in self.runs)

    @property
    def records(self) -> dict[str, PlanRecord | None]:
        """Each plan as in docs/plan-json.md, by the title of its side."""
        runs = (run.run if run is not None else None for run in self.runs)
        return {
            title: run.record if run is not None else None
            for title, run in zip(self.titles, runs, strict=True)
        }

    def views(self) -> tuple[SideView, SideView]:
        """Return both sides for people."""
        a, b = (
            _view(title, side, run)
            for title, side, run in zip(self.titles, self.sides, self.runs, strict=True)
        )
        return a, b

    def to_json(self) -> dict[str, object]:
        """Return answer and sides, with the keys of docs/ab.md."""
        a, b = self.views()
        plans = [view.plan for view in (a, b) if view.plan is not None]
        return {
            "bucket_id": self.bucket_id,
            "as_of": plans[0].as_of.isoformat() if plans else None,
            "currency": next((plan.currency for plan in plans if plan.currency), None),
            **self.answer_to_json(),
            "a": _side_to_json(self.sides[0], a),
            "b": _side_to_json(self.sides[1], b),
        }

    def answer_to_json(self) -> dict[str, object]:
        """Return the answer alone."""
        comparison = self.comparison
        return {
            "winner": comparison.verdict.value,
            "basis": comparison.basis.value,
            "reason": " ".join(verdict_lines(comparison, *self.views())),
            "same_objective": comparison.same_objective,
            "same_limits": comparison.same_limits,
            "closer": _side_or_none(comparison.closer),
            "cheaper": _side_or_none(comparison.cheaper),
            "by_a": _judgement_to_json(comparison.by_a),
            "by_b": _judgement_to_json(comparison.by_b),
        }


def compare_configurations(
    home: Home,
    bucket_id: str,
    request: AbRequest,
    on_start: Callable[[str], None] = lambda _: None,
) -> AbTest:
    """Plan with both sides and compare the plans.

    Parameters
    ----------
    home : Home
    bucket_id : str
    request : AbRequest
    on_start : callable taking a name
        Called before the plan of each side.

    Raises
    ------
    NotFoundError, ConfigFileError
        When there is no such version, preset or file.
    UsageError
        When plugins are asked for that device.toml leaves off.
    HomeError, PortfolioFileError, FilesChangedError
        See `plan_pair`.
    """
    sides = (
        find_side(home, bucket_id, request.a, _modules(home, request.plugins_a)),
        find_side(home, bucket_id, request.b, _modules(home, request.plugins_b)),
    )
    options = PairOptions(
        invest=request.invest,
        buy_only=request.buy_only,
        on_start=lambda index: on_start(sides[index].label),
    )
    return compare_sides(home, bucket_id, sides, options)


def compare_sides(
    home: Home,
    bucket_id: str,
    sides: tuple[Side, Side],
    options: PairOptions | None = None,
    titles: tuple[str, str] = ("A", "B"),
) -> AbTest:
    """Plan with two configurations that were loaded, and compare the plans."""
    configs = {
        index: PairConfig(side.loaded, side.modules)
        for index, side in enumerate(sides)
        if side.loaded is not None
    }
    runs = plan_pair(home, bucket_id, configs, options)
    a, b = (runs.get(index) for index in (0, 1))
    comparison = compare_plans(a.contender if a else None, b.contender if b else None)
    return AbTest(bucket_id, sides, (a, b), comparison, titles)


def compare_change(home: Home, change: ConfigComparison) -> AbTest:
    """Plan with the old and the new configuration of a change, and compare the plans."""
    old, new = change.old, change.new
    sides = Side(old.name, "version", old.loaded), Side(new.name, "version", new.loaded)
    return compare_sides(home, change.bucket_id, sides, titles=("old", "new"))


# --- sides ----------------------------------------------------------------------------------------


def _modules(home: Home, plugins: bool | None) -> Registries | None:
    """Return the modules of a side; None: those of every plan."""
    if plugins and not plugins_are_on(home):
        raise UsageError(f"plugins are off: there are none to plan with ({SWITCH_ON})")
    return modules_without_plugins(home) if plugins is False else None


def find_side(home: Home, bucket_id: str, name: str, modules: Registries | None = None) -> Side:
    """Return the configuration of a name; one with errors in it is a side too.

    Parameters
    ----------
    home : Home
    bucket_id : str
    name : str
    modules : Registries, optional
        Modules that it may name, and to plan with; None: those of the planner and of the plugins.

    Raises
    ------
    NotFoundError, ConfigFileError
        When there is no version, preset or file of this name.
    """
    kind, load = _loader(home, bucket_id, name, modules or modules_of(home))
    return _loaded(name, kind, load, modules)


def side_of_text(home: Home, bucket_id: str, text: str) -> Side:
    """Return a configuration that was sent; one with errors in it is a side too."""
    path, modules = home.bucket_file(bucket_id), modules_of(home)

    def load() -> LoadedConfig:
        document = parse_toml(text, REQUEST_SOURCE)
        return LoadedConfig(check_document(document, modules), document.sha256, UNCOMMITTED, path)

    return _loaded(REQUEST_SOURCE, "text", load, None)


def _loaded(
    name: str, kind: str, load: Callable[[], LoadedConfig], modules: Registries | None
) -> Side:
    try:
        return Side(name, kind, load(), modules=modules)
    except ConfigFileError as error:
        problems = tuple(problem_to_json(problem) for problem in error.problems)
        return Side(name, kind, None, tuple(error.lines), problems, modules)
    except PresetError as error:
        return Side(name, kind, None, tuple(error.lines), modules=modules)


def _loader(
    home: Home, bucket_id: str, name: str, modules: Registries
) -> tuple[str, Callable[[], LoadedConfig]]:
    """Return the kind of a side, and the function that loads it."""
    version = VERSION.fullmatch(name)
    if name in CURRENT:
        return "current", lambda: load_uncommitted(home, bucket_id, modules)
    if version is not None:
        return "version", _version_loader(home, bucket_id, int(version[1]), modules)
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.exists():
            load_config_file(path, modules, advice=PATH_ADVICE)  # raises, with the advice
        return "file", lambda: load_config_file(path, modules, advice=PATH_ADVICE)
    return "preset", _preset_loader(home, name, modules)


def _version_loader(
    home: Home, bucket_id: str, number: int, modules: Registries
) -> Callable[[], LoadedConfig]:
    try:
        stored = open_history(home, bucket_id).read(number)
    except HistoryError as error:
        raise NotFoundError(f"{error} (`trader config log {bucket_id}` lists them)") from None
    return lambda: load_version(stored, home.bucket_file(bucket_id), modules)


def _preset_loader(home: Home, name: str, modules: Registries) -> Callable[[], LoadedConfig]:
    library = PresetLibrary(home)
    if name not in library.ids():
        others = f"presets: {', '.join(library.ids())}"
        hint = did_you_mean(name, library.ids(), otherwise=others)
        raise NotFoundError(
            f"{name!r:.80} is neither a version, `{CURRENT[0]}`, a preset nor a file: {hint} (the"
            " name of a file ends in .toml, or has a /)"
        )

    def load() -> LoadedConfig:
        document = parse_toml(library.get(name).config_text or "# defaults\n", name)
        path = home.presets_dir / f"{name}.toml"
        return LoadedConfig(check_document(document, modules), document.sha256, UNCOMMITTED, path)

    return load


# --- plain data -----------------------------------------------------------------------------------


def _view(title: str, side: Side, run: SideRun | None) -> SideView:
    if side.loaded is None or run is None:
        more = len(side.lines) - 1
        reason = f"{side.lines[0]}{f' (and {more} more)' if more else ''}"
        return SideView(title, side.label, INVALID, reason, None)
    if run.run is None:
        return SideView(title, side.label, CRASHED, run.crash, None)
    plan = run.run.plan
    reason = plan.reason if plan.outcome is Outcome.HELD else ""
    return SideView(
        title=title,
        label=side.label,
        outcome=plan.outcome.value,
        reason=reason,
        plan=plan,
        planner_s=run.planner_s,
        least_gain=least_gain(run.run.config.config),
        failed_plugins=tuple(str(failure["key"]) for failure in _plugin_failures(side, plan)),
    )


def _side_to_json(side: Side, view: SideView) -> dict[str, object]:
    plan = view.plan
    record = {
        "name": side.name,
        "kind": side.kind,
        "plugins": side.modules is None,
        "config_version": side.loaded.version if side.loaded else None,
        "config_sha256": side.loaded.sha256 if side.loaded else None,
        "valid": side.loaded is not None,
        "problems": list(side.problems),
        "outcome": view.outcome,
        "reason": view.reason or None,
    }
    figures: dict[str, object] = dict.fromkeys(FIGURES)
    steps: list[dict[str, object]] = []
    if view.has_plan and plan is not None and plan.score is not None:
        figures |= {
            "score_before": plan.score.before,
            "end_score": plan.score.after,
            "gain": plan.score.gain,
            "n_steps": len(plan.steps),
            "cash_required": plan.cash_required,
            "costs": view.costs,
            "tax": view.tax,
            "turnover": view.turnover,
            "distance_before": plan.metrics_before.get(DISTANCE),
            "distance_after": plan.metrics_after.get(DISTANCE),
            "violation_after": plan.violation_after,
            "n_candidates": plan.n_candidates,
            "n_sequences": plan.n_sequences,
            "is_complete": not view.is_cut_short,
            "runtime_s": round(view.planner_s, 4),
        }
        steps = [_step_to_json(step) for step in plan.steps]
    return {**record, **figures, "modules_failed": _failures(side, plan), "steps": steps}


def _failures(side: Side, plan: Plan | None) -> list[dict[str, object]]:
    """Return the modules and the plugins that a plan was made without."""
    if plan is None:
        return []
    modules: list[dict[str, object]] = [
        {"key": attempt.key, "status": attempt.status.value, "message": attempt.message}
        for attempt in plan.modules
        if attempt.status in FAILED
    ]
    return modules + _plugin_failures(side, plan)


def _plugin_failures(side: Side, plan: Plan) -> list[dict[str, object]]:
    """Return the plugins that could not be loaded; none for a side without plugins."""
    failures: list[dict[str, object]] = []
    for finding in plan.findings:
        if finding.id == PLUGIN_FAILED and side.modules is None:
            label, _, why = finding.message.partition(": ")
            failures.append({"key": label, "status": "failed", "message": why})
    return failures


def _step_to_json(step: Step) -> dict[str, object]:
    return {
        "side": step.side.value,
        "security": step.security,
        "quantity": step.quantity,
        "value": step.value,
    }


def _judgement_to_json(judgement: Judgement | None) -> dict[str, object] | None:
    if judgement is None:
        return None
    return {**asdict(judgement), "prefers": _side_or_none(judgement.prefers)}


def _side_or_none(verdict: Verdict) -> str | None:
    return None if verdict is Verdict.NO_COMPARISON else verdict.value
