"""Targets that another line of the owner rules out hold the plan, with both places."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.home.config.load import load_uncommitted
from host.home.config.written_cap import find_written_cap
from host.home.home import Home
from host.home.portfolio.snapshot import take_snapshot
from planner_core.model.context import PlanningContext
from tests.host.small_home import PORTFOLIO, small_home

DEFAULTS = "# the defaults"


def context_of(root: Path, *, groups: str = "", bucket: str = DEFAULTS) -> PlanningContext:
    portfolio = PORTFOLIO.replace(
        'currency = "EUR"\n', 'currency = "EUR"\ngroups = { industry = "tools" }\n'
    )
    home = small_home(root, portfolio=portfolio + groups)
    home.buckets_dir.mkdir(exist_ok=True)
    home.bucket_file("core").write_text(bucket)
    cap = find_written_cap(load_uncommitted(Home(root), "core"))
    return take_snapshot(home, "core", written_cap=cap)


def ids(context: PlanningContext) -> list[str]:
    return [finding.id for finding in context.findings]


def test_a_written_cap_below_a_target_is_named_with_both_places(tmp_path: Path) -> None:
    context = context_of(tmp_path, bucket="[constraints]\nposition_weight_max = 0.4\n")
    (finding,) = context.findings
    assert (finding.id, finding.security) == ("target_above_cap", "AAA")
    assert f"{tmp_path}/portfolios/core.toml:10:1: the target of AAA, 0.5" in finding.message
    assert f"position_weight_max = 0.4 in {tmp_path}/buckets/core.toml:2:1" in finding.message
    assert finding.message in context.hold_reason


@pytest.mark.parametrize("bucket", [DEFAULTS, "[constraints]\nposition_weight_max = 0.5\n"])
def test_the_default_cap_and_one_that_is_wide_enough_contradict_nothing(
    tmp_path: Path, bucket: str
) -> None:
    context = context_of(tmp_path, bucket=bucket)
    assert (ids(context), context.hold_reason) == ([], "")


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("{ cap = 0.6 }", "the cap of industry tools is 0.6"),
        ("{ target = 0.7 }", "the target of industry tools is 0.7"),
        ("{ target = 0.9, cap = 0.8 }", "the target of industry tools, 0.9, is above its cap, 0.8"),
    ],
)
def test_members_above_their_group_hold_the_plan(tmp_path: Path, rule: str, what: str) -> None:
    context = context_of(tmp_path, groups=f"[groups.industry]\ntools = {rule}\n")
    assert ids(context) == ["group_targets_contradict"]
    assert what in context.findings[0].message
    assert "core.toml:" in context.findings[0].message
    assert context.hold_reason


@pytest.mark.parametrize("rule", ["{ cap = 0.8 }", "{ target = 0.8 }", "{ target = 0.7999 }"])
def test_members_that_fit_their_group_are_no_contradiction(tmp_path: Path, rule: str) -> None:
    context = context_of(tmp_path, groups=f"[groups.industry]\ntools = {rule}\n")
    assert (ids(context), context.hold_reason) == ([], "")


def test_a_fund_counts_with_its_part(tmp_path: Path) -> None:
    rule = "[groups.industry]\ntools = { cap = 0.56 }\n"
    half = "{ industry = { tools = 0.5 } }"
    context = context_of(tmp_path, groups=rule)
    assert ids(context) == ["group_targets_contradict"]
    portfolio = tmp_path / "portfolios" / "core.toml"
    text = portfolio.read_text().replace(
        '{ industry = "tools" }\ntarget = 0.5', f"{half}\ntarget = 0.5"
    )
    portfolio.write_text(text)
    assert ids(take_snapshot(Home(tmp_path), "core")) == []
