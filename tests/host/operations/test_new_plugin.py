"""New files of plugins: every template works as it is, and nothing is overwritten."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from host.errors import UsageError
from host.home.home import Home
from host.operations.new_plugin import KINDS, copy_example, create_plugin, list_examples
from host.plugins.inspection import inspect_plugins
from host.plugins.sources import list_plugin_files, read_plugin_files


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_of_each_kind_is_loaded_as_it_is(own_home: Home, kind: str) -> None:
    plugin = create_plugin(own_home, "quick_rise", kind)
    assert (plugin.path.name, plugin.folder_problem) == ("quick_rise.py", "")
    (source,) = read_plugin_files(own_home.plugins_dir)  # the test is not one
    (description,) = inspect_plugins(own_home.plugins_dir, [source])
    assert description.error == ""
    (module,) = description.modules
    assert module.key == f"{KINDS[kind]}.quick_rise"
    assert not module.enabled_by_default
    assert "my_module" not in plugin.path.read_text().lower()
    assert "class QuickRise(" in plugin.path.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_of_a_template_passes_with_unittest_alone(own_home: Home, kind: str) -> None:
    plugin = create_plugin(own_home, "quick_rise", kind)
    assert plugin.test is not None
    result = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", str(own_home.plugins_dir)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert "Ran 2 tests" in result.stderr
    assert result.returncode == 0, result.stderr


def test_files_belong_to_their_owner_alone(own_home: Home) -> None:
    plugin = create_plugin(own_home, "quick_rise", "filter", with_test=False)
    assert plugin.test is None
    for path in (plugin.path, own_home.plugins_dir):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    assert [path.name for path in list_plugin_files(own_home.plugins_dir).paths] == [
        "quick_rise.py"
    ]


@pytest.mark.parametrize("existing", ["quick_rise.py", "test_quick_rise.py"])
def test_nothing_is_overwritten_and_nothing_is_written_beside_it(
    own_home: Home, existing: str
) -> None:
    own_home.plugins_dir.mkdir()
    (own_home.plugins_dir / existing).write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        create_plugin(own_home, "quick_rise", "filter")
    assert [path.name for path in own_home.plugins_dir.iterdir()] == [existing]
    assert (own_home.plugins_dir / existing).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_written_through(own_home: Home) -> None:
    own_home.plugins_dir.mkdir()
    target = own_home.root / "elsewhere.py"
    (own_home.plugins_dir / "quick_rise.py").symlink_to(target)
    with pytest.raises(UsageError, match="exists already"):
        create_plugin(own_home, "quick_rise", "filter")
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Quick", "lower case letters"),
        ("../quick", "lower case letters"),
        ("", "lower case letters"),
        ("a" * 65, "lower case letters"),
        ("test_quick", "tests"),
        ("json", "Python has"),
        ("class", "Python has"),
        ("numpy", "Python has"),
        ("weight_based", "opportunity_calculators.weight_based"),
        ("diversity", "filters.diversity"),
    ],
)
def test_a_name_that_cannot_work_is_refused_with_the_reason(
    own_home: Home, name: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        create_plugin(own_home, name, "filter")
    assert not own_home.plugins_dir.exists()


def test_examples_are_listed_with_their_source_and_can_be_copied(own_home: Home) -> None:
    examples = list_examples()
    assert [example.name for example in examples] == ["faber_trend", "minimum_volatility"]
    for example in examples:
        assert example.source.startswith("Source: ")
        plugin = copy_example(own_home, example.name)
        assert plugin.kind is example.kind
    with pytest.raises(UsageError, match="exists already"):
        copy_example(own_home, "faber_trend")
    with pytest.raises(UsageError, match="there are: faber_trend, minimum_volatility"):
        copy_example(own_home, "markowitz")
