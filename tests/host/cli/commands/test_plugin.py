"""`trader plugin list`."""

from __future__ import annotations

from host.home.home import Home
from tests.host.conftest import Trader
from tests.host.plugins.plugin_files import add_plugins, momentum


def test_without_plugins_it_says_where_they_go(trader: Trader, own_home: Home) -> None:
    result = trader("plugin", "list", "--home", own_home.root)
    assert (result.code, result.err) == (0, "")
    assert str(own_home.plugins_dir) in result.out


def test_plugins_that_are_off_are_listed_with_the_switch(trader: Trader, own_home: Home) -> None:
    add_plugins(own_home, {"a.py": momentum()}, enabled=False)
    result = trader("plugin", "list", "--home", own_home.root)
    assert result.code == 0
    assert "off      plugins/a.py" in result.out
    assert "`enabled = true` below `[plugins]` in device.toml" in result.out


def test_each_plugin_has_its_modules_its_state_and_the_reason(
    trader: Trader, own_home: Home
) -> None:
    add_plugins(
        own_home, {"a.py": momentum(), "b.py": "print('x' * 100)\nraise ValueError('\x1b[31m')"}
    )
    result = trader("plugin", "list", "--home", own_home.root)
    assert result.code == 1
    assert "ready    plugins/a.py  opportunity_calculators.momentum 1.2.0" in result.out
    assert "failed   plugins/b.py\n         line 2: ValueError" in result.out
    assert "\x1b" not in result.out
    assert "xxx" not in result.out
    record = trader("plugin", "list", "--json", "--home", own_home.root).json
    assert (record["schema_version"], record["enabled"]) == (1, True)
    assert [plugin["status"] for plugin in record["plugins"]] == ["ready", "failed"]
    assert record["plugins"][0]["modules"] == [
        {"key": "opportunity_calculators.momentum", "version": "1.2.0"}
    ]
