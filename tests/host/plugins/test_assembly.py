"""Plugins beside each other: names, needs, versions, circles."""

from __future__ import annotations

from typing import Any

from host.plugins.assembly import Assembly, PluginModules, assemble
from planner_core.model.module_metadata import Dependency, ModuleKind
from planner_core.modules.builtin import builtin_registries
from planner_core.modules.module import AnyModule
from tests.builders import metadata, stub_filter


def a_filter(name: str, version: str = "1.0.0", **needs: str) -> AnyModule:
    """Return a filter that needs others: name -> range of versions."""
    module = stub_filter(name=name)
    dependencies = tuple(Dependency(ModuleKind.FILTER, n, v) for n, v in needs.items())
    type(module).metadata = metadata(name, version=version, dependencies=dependencies)
    return module


def assembled(**plugins: Any) -> Assembly:  # noqa: ANN401 - modules, or an error
    """Assemble plugins: label -> its modules, or its error."""
    return assemble(
        [
            PluginModules(label, error=content, names=(f"of_{label}",))
            if isinstance(content, str)
            else PluginModules(label, tuple(content))
            for label, content in plugins.items()
        ]
    )


def test_modules_of_plugins_stand_beside_the_shipped_ones_with_their_origin() -> None:
    assembly = assembled(a=[a_filter("one"), a_filter("two")])
    assert assembly.problems == {}
    assert assembly.registries.origins == {"filters.one": "a", "filters.two": "a"}
    assert "one" not in builtin_registries().filters


def test_a_shipped_name_cannot_be_taken_and_the_whole_plugin_is_left_out() -> None:
    assembly = assembled(a=[a_filter("mine"), a_filter("diversity")])
    (problem,) = assembly.problems.values()
    assert problem.startswith("filters.diversity is the name of a module that is shipped")
    registry = assembly.registries.filters
    assert registry["diversity"] is builtin_registries().filters["diversity"]
    assert "mine" not in registry
    assert assembly.registries.reason_of_absence(ModuleKind.FILTER, "mine") == f"a: {problem}"


def test_of_two_plugins_with_one_name_the_first_keeps_it() -> None:
    assembly = assembled(a=[a_filter("mine")], b=[a_filter("mine")])
    assert list(assembly.problems) == ["b"]
    assert "filters.mine is the name of a module of a" in assembly.problems["b"]
    assert assembly.registries.origins == {"filters.mine": "a"}


def test_a_need_that_is_missing_has_the_whole_chain_in_its_reason() -> None:
    assembly = assembled(
        a=[a_filter("first", second=">=1")],
        b=[a_filter("second", third="")],
        c=[a_filter("third", diversty="")],
        d=[a_filter("fine", diversity=">=1,<2")],
    )
    assert set(assembly.problems) == {"a", "b", "c"}
    assert assembly.problems["c"] == (
        "filters.third needs filters.diversty: there is no such module (did you mean `diversity`?)"
    )
    assert assembly.problems["a"] == (
        "filters.first needs filters.second >=1: b is left out: filters.second needs"
        f" filters.third: c is left out: {assembly.problems['c']}"
    )
    assert assembly.registries.origins == {"filters.fine": "d"}


def test_a_need_of_a_plugin_that_failed_names_its_failure() -> None:
    assembly = assembled(a=[a_filter("first", of_b="")], b="line 1: SyntaxError")
    assert assembly.problems["a"] == (
        "filters.first needs filters.of_b: b is left out: line 1: SyntaxError"
    )


def test_another_version_than_is_needed_is_named() -> None:
    assembly = assembled(a=[a_filter("first", second=">=2")], b=[a_filter("second", "1.9.0")])
    assert assembly.problems == {"a": "filters.first needs filters.second >=2: there is 1.9.0"}


def test_modules_that_need_each_other_in_a_circle_are_left_out_and_named() -> None:
    assembly = assembled(
        a=[a_filter("one", two="")],
        b=[a_filter("two", three="")],
        c=[a_filter("three", one="")],
        d=[a_filter("other", one="")],
    )
    assert assembly.problems["a"] == (
        "filters.one needs itself: filters.one -> filters.two -> filters.three -> filters.one"
    )
    assert set(assembly.problems) == {"a", "b", "c", "d"}
    assert "a is left out: filters.one needs itself" in assembly.problems["d"]
    assert assembly.registries.origins == {}
