"""Commands that plan, with plugins: in another process, whatever the plugins do."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from host.cli import plugin_process
from host.cli.plugin_process_main import HeldOutput
from host.home.home import Home
from host.planning.breaker_store import BreakerStore
from host.plugins.process_modules import process_registries
from host.sandbox import child_pids
from planner_core.model.circuit_breaker import BreakerState
from tests.host.conftest import Trader
from tests.host.plugins.plugin_files import (
    add_plugins,
    filter_text,
    install_package,
    misdeed_text,
    momentum,
)

KEY = "opportunity_calculators.bad"


def status_of(record: dict[str, Any], key: str) -> str | None:
    return next((m["status"] for m in record["modules"] if m["key"] == key), None)


def test_a_plan_uses_the_plugin_and_this_process_never_runs_it(
    trader: Trader, own_home: Home
) -> None:
    add_plugins(own_home, {"a.py": momentum("async def")})
    result = trader("plan", "core", "--json", "--home", own_home.root)
    assert result.code == 0
    assert status_of(result.json, "opportunity_calculators.momentum") == "ok"
    assert process_registries() is None
    journal = (own_home.journal_dir / "journal.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in journal.splitlines()]
    assert "PlanStored" in {record["event_type"] for record in records}


def test_without_plugins_no_process_is_started(
    trader: Trader, own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "_Run", None)
    add_plugins(own_home, {"a.py": momentum()}, enabled=False)
    record = trader("plan", "core", "--json", "--home", own_home.root).json
    (note,) = [finding for finding in record["findings"] if finding["id"] == "plugins_off"]
    assert "plugins/a.py" in note["message"]
    assert "`enabled = true`" in note["action"]


@pytest.mark.parametrize(
    ("misdeed", "why"),
    [
        ("ctypes.string_at(0)", "crashed (SIGSEGV)"),
        ("os._exit(0)", "ended the process with code 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed (SIGKILL)"),
    ],
)
def test_a_plugin_that_ends_the_process_costs_only_itself(
    trader: Trader, own_home: Home, misdeed: str, why: str
) -> None:
    add_plugins(own_home, {"a.py": misdeed_text(misdeed), "b.py": momentum()})
    result = trader("plan", "core", "--json", "--home", own_home.root)
    assert result.code == 0
    assert f"{KEY}: it {why}; the command is run once more without it" in result.err
    assert status_of(result.json, "opportunity_calculators.momentum") == "ok"
    (finding,) = [f for f in result.json["findings"] if f["id"] == "plugin_failed"]
    assert finding["message"] == f"plugins/a.py: it {why}"
    store = BreakerStore(own_home)
    store.refresh()
    assert store.breakers.of(KEY).state is BreakerState.OPEN


def test_a_plugin_that_hangs_is_ended(
    trader: Trader, own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "HANG_S", 2.0)
    add_plugins(own_home, {"a.py": misdeed_text("ctypes.PyDLL(None).sleep(600)")})
    before = child_pids()
    result = trader("plan", "core", "--json", "--no-store", "--home", own_home.root)
    assert result.code == 0
    assert f"{KEY}: it took longer than 2 s" in result.err
    assert child_pids() <= before
    assert not (own_home.state_dir / "breakers.json").exists(), "--no-store writes nothing"
    assert not (own_home.state_dir / "plugins.json").exists()


@pytest.mark.parametrize(
    "misdeed",
    [
        "sys.stdout.write('{}')",
        "os.write(1, b'{}')",
        "np.sum = None",
        "raise SystemExit(0)",
        "[bytearray(10_000_000) for _ in range(10_000)]",
        "threading.Thread(target=time.sleep, args=(600,)).start()",
        "subprocess.Popen(['sleep', '600'], start_new_session=True)",
        "os.fork()",
        "os.chdir('/')",
        "import planner_core.market.objective as o; o.max = min",
        "os.close(2)",
        "signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(0.1)",
    ],
)
def test_what_a_plugin_does_does_not_spoil_the_output_or_the_plan(
    trader: Trader, own_home: Home, misdeed: str
) -> None:
    arguments = ("plan", "core", "--json", "--no-store", "--home", own_home.root)
    plain = trader(*arguments).json
    add_plugins(own_home, {"a.py": misdeed_text(misdeed)})
    before = child_pids()
    result = trader(*arguments)
    assert result.code == 0
    assert [s["security"] for s in result.json["steps"]] == [s["security"] for s in plain["steps"]]
    assert child_pids() <= before


def test_a_dry_run_and_a_comparison_use_the_plugin(trader: Trader, own_home: Home) -> None:
    add_plugins(own_home, {"a.py": momentum()})
    key = "opportunity_calculators.momentum"
    record = trader("dry-run", "core", "--json", "--home", own_home.root).json
    assert record["modules_loaded"][key]["status"] == "ok"
    assert trader("config", "commit", "core", "--home", own_home.root).code == 0
    both = trader("config", "diff", "core", "--plan", "--json", "--home", own_home.root).json
    assert status_of(both["plans"]["new"], key) == "ok"


def test_a_wrong_parameter_has_its_line_and_a_suggestion(trader: Trader, own_home: Home) -> None:
    add_plugins(own_home, {"a.py": momentum()})
    own_home.bucket_file("core").write_text(
        "[opportunity_calculators]\nmomentum = { shard = 0.1 }\nmomentun = true\n", "utf-8"
    )
    result = trader("config", "check", "core", "--home", own_home.root)
    assert result.code == 2
    assert "core.toml:2:14: opportunity_calculators.momentum.shard: unknown key" in result.err
    assert "did you mean `share`?" in result.err
    assert "did you mean `momentum`?" in result.err


def test_a_configuration_that_names_a_plugin_that_is_off_is_valid_and_says_so(
    trader: Trader, own_home: Home
) -> None:
    add_plugins(own_home, {"a.py": momentum()}, enabled=False)
    own_home.bucket_file("core").write_text(
        "[opportunity_calculators]\nmomentum = { share = 0.1 }\n", "utf-8"
    )
    result = trader("config", "check", "core", "--home", own_home.root)
    assert result.code == 0
    assert "momentum: plans do without it: plugins/a.py: plugins are off" in result.err
    record = trader("plan", "core", "--json", "--home", own_home.root).json
    assert record["outcome"] == "PLANNED"
    assert status_of(record, "opportunity_calculators.momentum") == "skipped_open"


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("[plugins]\nenabled = true\n[[[\n", "device.toml:3:3: "),
        ("", "device.toml:1:1: the file is empty"),
        ("[link]\n", "device.toml: does not say whether plugins are on, and they were"),
    ],
)
@pytest.mark.parametrize(
    ("plugin", "bucket"),
    [
        (
            filter_text("mine").replace(
                'description="Change', 'enabled_by_default=False, description="Change'
            ),
            "[filters]\nmine = true\n",
        ),
        (filter_text("mine"), ""),
    ],
    ids=["named in the configuration", "on by default"],
)
def test_a_device_file_that_is_lost_holds_the_plan_of_a_bucket_with_plugins(
    trader: Trader, own_home: Home, device: str, why: str, plugin: str, bucket: str
) -> None:
    at = ("core", "--json", "--home", own_home.root)
    add_plugins(own_home, {"a.py": plugin})
    own_home.bucket_file("core").write_text(f"max_plan_depth = 3\n{bucket}", "utf-8")
    assert status_of(trader("plan", *at).json, "filters.mine") == "ok"
    own_home.device_file.write_text(device, "utf-8")
    result = trader("plan", *at)
    assert (result.code, result.json["outcome"]) == (1, "HELD")
    assert why in result.json["reason"]
    assert "(filters.mine; fix device.toml)" in result.json["reason"]
    assert [f["severity"] for f in result.json["findings"] if f["id"] == "device_file_refused"] == [
        "error"
    ]
    trial = trader("dry-run", *at)
    assert "no plan is made without plugins" in trial.out + trial.err
    own_home.device_file.write_text("[plugins]\nenabled = false\n", "utf-8")
    assert trader("plan", *at).json["outcome"] == "PLANNED", "it is known that they are off"


def test_a_device_file_that_is_wrong_is_a_warning_where_no_plugin_is_used(
    trader: Trader, own_home: Home
) -> None:
    own_home.device_file.write_text("[[[\n", "utf-8")
    result = trader("plan", "core", "--json", "--home", own_home.root)
    assert (result.code, result.json["outcome"]) == (0, "PLANNED")
    (finding,) = [f for f in result.json["findings"] if f["id"] == "device_file_refused"]
    assert finding["severity"] == "warning"
    assert "device.toml:1:3: " in finding["message"]
    assert "Fix device.toml" in finding["action"]
    trial = trader("dry-run", "core", "--json", "--home", own_home.root).json
    assert any("device.toml:1:3: " in line for line in trial["warnings"])


def test_an_update_that_refuses_a_stored_parameter_costs_only_its_module(
    trader: Trader, own_home: Home
) -> None:
    add_plugins(own_home, {"a.py": momentum()})
    own_home.bucket_file("core").write_text(
        "max_plan_depth = 3\n[opportunity_calculators]\nmomentum = { share = 0.5 }\n", "utf-8"
    )
    assert trader("config", "commit", "core", "--home", own_home.root).code == 0
    add_plugins(own_home, {"a.py": momentum().replace("le=1", "le=0.1")})
    report = trader("health", "core", "--json", "--home", own_home.root).json
    (finding,) = [f for f in report["findings"] if f["id"] == "module_absent"]
    assert (
        "plugins/a.py: opportunity_calculators.momentum.share: is out of bounds" in finding["what"]
    )


@pytest.mark.parametrize("store", [(), ("--no-store",)])
def test_a_renamed_parameter_costs_a_plan_of_the_stored_version_only_the_module(
    trader: Trader, own_home: Home, store: tuple[str, ...]
) -> None:
    at = ("core", "--json", "--home", own_home.root)
    file = own_home.bucket_file("core")
    add_plugins(own_home, {"a.py": momentum()})
    file.write_text(
        "max_plan_depth = 3\n[opportunity_calculators]\nmomentum = { share = 0.5 }\n", "utf-8"
    )
    assert trader("config", "commit", "core", "--home", own_home.root).code == 0
    renamed = momentum().replace("    share:", "    size:").replace("parameters.share", "0.1")
    add_plugins(own_home, {"a.py": renamed})
    result = trader("plan", *at, *store)
    assert result.code == 0, result.err
    assert (result.json["config_version"], result.json["outcome"]) == (1, "PLANNED")
    (module,) = [m for m in result.json["modules"] if m["key"].endswith(".momentum")]
    assert module["status"] == "skipped_open"
    assert "core.toml" not in module["message"]
    assert "momentum.share: unknown key" in module["message"]
    check = trader("config", "check", *at)
    assert (check.code, check.json["buckets"][0]["valid"]) == (0, True)
    trial = trader("dry-run", *at).json
    assert trial["valid"] is True
    file.write_text(file.read_text("utf-8") + "# edited\n", "utf-8")
    assert trader("plan", *at, *store).code == 2, "a new text is checked in full"


def test_modules_and_the_schema_have_the_plugin(trader: Trader, own_home: Home) -> None:
    add_plugins(own_home, {"a.py": momentum()})
    listed = trader("modules", "list", "--home", own_home.root)
    assert "Buy what rose (plugins/a.py)" in listed.out
    shown = trader("modules", "show", "momentum", "--json", "--home", own_home.root)
    (module,) = shown.json["modules"]
    assert (module["plugin"], module["version"]) == ("plugins/a.py", "1.2.0")
    assert module["parameters"]["share"]["bounds"] == {">": 0, "<=": 1}
    schema = trader("config", "schema", "bucket", "--home", own_home.root).json
    entry = schema["properties"]["opportunity_calculators"]["properties"]["momentum"]
    assert entry["anyOf"][1]["properties"]["share"]["exclusiveMinimum"] == 0
    (own_home.plugins_dir / "a.py").write_text("x = [", "utf-8")
    refused = trader("modules", "show", "momentum", "--home", own_home.root)
    assert "cannot be used: plugins/a.py: line 1: SyntaxError" in refused.err


def test_a_link_to_the_terminal_stays_one(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        held = HeldOutput(file.fileno())
        print("text – with signs", file=held)
        assert held.text() == "text – with signs\n"
        assert not held.isatty()
        held.detach()


def test_an_installed_package_is_a_plugin_like_a_file(
    trader: Trader, own_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install_package(tmp_path, momentum())
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '.')}")
    add_plugins(own_home, {})
    listed = trader("plugin", "list", "--json", "--home", own_home.root).json
    (plugin,) = [item for item in listed["plugins"] if "my-trend" in item["plugin"]]
    assert (plugin["plugin"], plugin["status"]) == ("my-trend 1.0.0 (trend)", "ready")
    record = trader("plan", "core", "--json", "--home", own_home.root).json
    assert status_of(record, "opportunity_calculators.momentum") == "ok"
    assert "my_trend" not in sys.modules
