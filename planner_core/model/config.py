"""The planner's configuration: every key with unit, bounds, default and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from planner_core.model.module_metadata import ModuleKind, ModuleParameters, parameter

MODULE_SECTIONS = tuple(kind.value for kind in ModuleKind)


class ConfigSection(BaseModel):
    """Base of the sections: frozen, no unknown keys, no NaN or infinity.

    Strict: a switch is not a number, and `"5"` is not 5. An integer is accepted for a float.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


class ObjectiveConfig(ConfigSection):
    """Weights of the objective, per year: what makes a good portfolio."""

    opinion: float = parameter(
        0.0,
        unit="fraction",
        ge=0,
        le=1,
        description="how far an opinion may tilt the targets; 0: not at all",
    )
    opinion_on: Literal["past_returns", "momentum", "reversal", "quality"] = parameter(
        "past_returns",
        unit="method",
        description="the bet: past returns go on, rises go on, falls recover, or quality pays",
    )
    tracking_aversion: float = parameter(
        80.0,
        unit="1",
        ge=0,
        le=10_000,
        description="A: penalty on half the variance of the difference to the targets",
    )
    drift_penalty: float = parameter(
        0.002,
        unit="1",
        ge=0,
        le=10,
        description="tau: penalty on squared distance to each target, relative to the target",
    )
    group_drift_penalty: float = parameter(
        0.3,
        unit="1",
        ge=0,
        le=10,
        description="gamma: penalty on squared distance to group targets",
    )
    invested_return_assumed: float = parameter(
        0.04,
        unit="per year",
        ge=0,
        le=0.5,
        description="return that idle cash misses; with targets only, never shown as a gain",
    )
    risk_aversion: float = parameter(
        4.0,
        unit="1",
        ge=0,
        le=50,
        description="lambda: penalty on half the annual variance, without targets or by opinion",
    )
    concentration_penalty: float = parameter(
        0.15,
        unit="1",
        ge=0,
        le=10,
        description="kappa: penalty on the sum of squared weights; default 0 with targets",
    )
    tail_risk_penalty: float = parameter(
        0.25,
        unit="1",
        ge=0,
        le=10,
        description="eta: penalty on CVaR95 of the 21-day loss; default 0 with targets",
    )
    turnover_penalty: float = parameter(
        0.001,
        unit="1",
        ge=0,
        le=1,
        description="rho: penalty on the traded fraction of NAV; default 0 with targets",
    )


class EstimationConfig(ConfigSection):
    """How expected returns and risk are estimated from daily closes."""

    history_days: int = parameter(
        756, unit="market days", ge=60, le=5040, description="returns used for the covariance"
    )
    history_days_min: int = parameter(
        252,
        unit="market days",
        ge=20,
        le=2520,
        description="with fewer daily returns a security leans on its group, and is bought only"
        " toward a target",
    )
    mean_shrinkage: float = parameter(
        0.7, unit="fraction", ge=0, le=1, description="pull of each mean to the cross-section mean"
    )
    mean_min: float = parameter(
        -0.10, unit="per year", ge=-1, le=0, description="lower clip of an expected return"
    )
    mean_max: float = parameter(
        0.30, unit="per year", ge=0, le=2, description="upper clip of an expected return"
    )
    tail_windows_max: int = parameter(
        500, unit="windows", ge=50, le=2000, description="overlapping 21-day returns for CVaR95"
    )
    tail_windows_min: int = parameter(
        252, unit="windows", ge=20, le=2000, description="with fewer, the CVaR term is off"
    )

    @model_validator(mode="after")
    def _check_minimums(self) -> Self:
        if self.history_days < self.history_days_min:
            raise ValueError("history_days must not lie below history_days_min")
        if self.tail_windows_max < self.tail_windows_min:
            raise ValueError("tail_windows_max must not lie below tail_windows_min")
        return self


class CostsConfig(ConfigSection):
    """Costs of a trade; they leave cash."""

    fixed_cost: float = parameter(
        2.0,
        unit="base currency per trade",
        ge=0,
        le=1e7,
        description="the broker's ticket fee; this default is for the euro, see config show",
    )
    cost_bps: float = parameter(
        20.0, unit="bp of value", ge=0, le=1000, description="proportional commission"
    )
    half_spread_bps: float = parameter(
        5.0,
        unit="bp of value",
        ge=0,
        le=1000,
        description="half the spread, unless a security has its own",
    )
    fx_bps: float = parameter(
        10.0, unit="bp of value", ge=0, le=1000, description="conversion of a foreign trade"
    )
    impact_coefficient: float = parameter(
        1.0,
        unit="1",
        ge=0,
        le=10,
        description="c in v*c*sigma_daily*sqrt(v/ADV); needs adv_value, else no impact",
    )
    tax_rate: float = parameter(
        0.0, unit="fraction of gain", ge=0, le=0.9, description="tax on a realised gain, per action"
    )
    tax_deferral_years: float = parameter(
        10.0,
        unit="years",
        ge=0,
        le=1000,
        description="a gain not taxed now would be taxed this much later; 1000: never",
    )
    loss_offset: bool = parameter(
        False,
        unit="true or false",
        description="count the tax that a realised loss may save, in the score; never as cash",
    )
    tax_lots: Literal["hifo", "fifo"] = parameter(
        "hifo", unit="method", description="which lots a sell takes: highest cost or oldest first"
    )


class ConstraintsConfig(ConfigSection):
    """Hard limits, checked before anything is scored; no module switches them off."""

    position_weight_max: float = parameter(
        0.25, unit="weight", gt=0, le=1, description="cap of a single position"
    )
    min_trade_value: float = parameter(
        400.0,
        unit="base currency",
        ge=0,
        le=1e12,
        description="minimum trade, or 1 % of NAV if that is lower; this default is for the euro",
    )
    cost_ratio_max: float = parameter(
        0.01, unit="fraction of value", gt=0, le=1, description="maximum cost of a trade"
    )
    cash_reserve: float = parameter(
        0.005, unit="fraction of NAV", ge=0, le=1, description="cash that must remain after buys"
    )
    lot_age_min: int = parameter(
        90, unit="days", ge=0, le=3650, description="a tax lot younger than this is not sold"
    )
    buy_cooldown_days: int = parameter(
        30, unit="days", ge=0, le=3650, description="no buy of a security after a buy of it"
    )
    sell_cooldown_days: int = parameter(
        180, unit="days", ge=0, le=3650, description="no sell of a security after a sell of it"
    )
    rebuy_after_sell_days: int = parameter(
        30,
        unit="days",
        ge=0,
        le=3650,
        description="no buy for this many days after a sell, the last day included; 0: no limit",
    )
    turnover_max: float = parameter(
        0.20, unit="fraction of NAV", ge=0, le=10, description="both sides, within the window"
    )
    turnover_window_days: int = parameter(
        30,
        unit="days",
        ge=1,
        le=365,
        description="fills within these days count as turnover",
    )
    min_gain_bps: float = parameter(
        5.0, unit="bp of NAV", ge=0, le=1000, description="minimum gain that is worth a trade"
    )
    price_age_days_max: int = parameter(
        5, unit="market days", ge=0, le=60, description="older prices block trades"
    )
    price_move_sigmas: float = parameter(
        8.0,
        unit="daily standard deviations",
        ge=3,
        le=100,
        description="a larger move is checked: a wrong close, a split, another unit",
    )
    settled_cash_only: bool = parameter(
        False,
        unit="true or false",
        description="buys use settled cash only, not this plan's proceeds",
    )
    multi_currency: bool = parameter(
        False,
        unit="true or false",
        description="cash per currency: conversions are steps of the plan, never implicit",
    )
    settlement_days: int = parameter(
        2, unit="market days", ge=0, le=10, description="from trade to settlement"
    )
    withdrawal_notice_days: int = parameter(
        30,
        unit="days",
        ge=0,
        le=365,
        description="cash for withdrawals due this soon is raised",
    )


class SearchConfig(ConfigSection):
    """Effort of the search."""

    candidates_max: int = parameter(
        2048,
        unit="candidates",
        ge=1,
        le=2048,
        description="maximum candidates: the best per security",
    )
    alternatives: int = parameter(
        3, unit="sequences", ge=0, le=20, description="other sequences reported beside the best"
    )


FOLLOWS_TARGETS = {
    "objective": {
        "concentration_penalty": 0.0,
        "tail_risk_penalty": 0.0,
        "turnover_penalty": 0.0,
    },
    "constraints": {"min_gain_bps": 1.0},
}
"""Defaults of a bucket with targets, where they differ.

Concentration repeats the pull to the targets, and turnover is charged with the costs.
"""
WITHOUT_OPINION = {
    "constraints": {
        "buy_cooldown_days": 0,
        "sell_cooldown_days": 0,
        "lot_age_min": 0,
        "turnover_max": 1.0,
    },
}
"""Further defaults with targets and without an opinion.

These limits guard against trades on opinions that change; targets do not change by themselves.
"""


class PlannerConfig(ConfigSection):
    """A bucket's whole configuration, as `load_config` returns it.

    `parameters` maps `kind.name` of every enabled module to its parameters.
    """

    max_plan_depth: int = Field(
        5, ge=1, le=10, description="maximum steps in a plan", json_schema_extra={"unit": "steps"}
    )
    objective: ObjectiveConfig = Field(default_factory=ObjectiveConfig)
    estimation: EstimationConfig = Field(default_factory=EstimationConfig)
    costs: CostsConfig = Field(default_factory=CostsConfig)
    constraints: ConstraintsConfig = Field(default_factory=ConstraintsConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)
    opportunity_calculators: dict[str, Any] = Field(default_factory=dict)
    pattern_generators: dict[str, Any] = Field(default_factory=dict)
    sequence_generators: dict[str, Any] = Field(default_factory=dict)
    filters: dict[str, Any] = Field(default_factory=dict)

    _absent: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def absent_modules(self) -> Mapping[str, str]:
        """Key of a module that the document switches on but that cannot be used -> the reason."""
        return MappingProxyType(self._absent)

    def with_absent_modules(self, absent: Mapping[str, str]) -> PlannerConfig:
        """Return the configuration with these absent modules."""
        copied = self.model_copy()
        copied._absent = dict(absent)  # noqa: SLF001 - of this class
        return copied

    def enabled(self, kind: ModuleKind) -> Mapping[str, ModuleParameters]:
        """Return name -> parameters of the enabled modules of a kind."""
        section: dict[str, ModuleParameters | None] = getattr(self, kind.value)
        return MappingProxyType({n: p for n, p in section.items() if p is not None})

    def disabled(self, kind: ModuleKind) -> tuple[str, ...]:
        """Return the names of the modules of a kind that are switched off."""
        section: dict[str, ModuleParameters | None] = getattr(self, kind.value)
        return tuple(name for name, parameters in section.items() if parameters is None)


def config_in_force(config: PlannerConfig, *, with_targets: bool) -> PlannerConfig:
    """Return the configuration with the defaults of a bucket with targets.

    No value that is written changes.

    Parameters
    ----------
    config : PlannerConfig
    with_targets : bool
        A security or a group of the bucket has a target.
    """
    if not with_targets:
        return config
    updated = _with_defaults(config, FOLLOWS_TARGETS)
    return updated if config.objective.opinion > 0 else _with_defaults(updated, WITHOUT_OPINION)


def _with_defaults(
    config: PlannerConfig, defaults: Mapping[str, Mapping[str, float]]
) -> PlannerConfig:
    """Return the configuration with other defaults for the keys that nobody wrote."""
    sections = {}
    for name, values in defaults.items():
        section: ConfigSection = getattr(config, name)
        unwritten = {k: v for k, v in values.items() if k not in section.model_fields_set}
        # `model_copy` marks what it updates as written: applied twice, nothing changes.
        sections[name] = section.model_copy(update=unwritten)
    return config.model_copy(update=sections)
