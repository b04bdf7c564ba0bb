"""`trader modules`: the catalogue, and one module."""

from __future__ import annotations

from tests.host.conftest import Trader


def test_modules_are_listed_by_kind(trader: Trader) -> None:
    result = trader("modules", "list")
    assert result.code == 0
    assert result.out.startswith("[opportunity_calculators]\n  profit_taking ")
    keys = [module["key"] for module in trader("modules", "list", "--json").json["modules"]]
    assert "filters.diversity" in keys
    assert len(keys) == len(set(keys))


def test_a_module_shows_what_it_does_and_its_parameters(trader: Trader) -> None:
    result = trader("modules", "show", "opportunity_calculators.profit_taking")
    assert "windfall_min" in result.out
    assert "fraction of cost; > 0 and <= 10" in result.out
    both = trader("modules", "show", "profit_taking", "--json").json["modules"]
    kinds = [module["kind"] for module in both]
    assert kinds == ["opportunity_calculators", "pattern_generators"]
