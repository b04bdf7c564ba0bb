"""The home: its paths, and making one without changing existing files."""

from __future__ import annotations

import os
import stat
from datetime import date
from pathlib import Path

import pytest

from host.errors import HomeError, StorageError
from host.home.config.device_settings import load_device_config
from host.home.config.load import load_config_file
from host.home.home import Home, check_bucket_id, create_home
from host.home.portfolio.ledger import read_ledger
from host.home.portfolio.market_data import read_splits
from host.home.portfolio.portfolio_file import read_portfolio
from host.home.portfolio.snapshot import take_snapshot
from host.home.storage.atomic_file import may_exist
from host.home.storage.problems import ConfigFileError, MarketDataError
from planner_core.model.records import LedgerStatus


def test_the_option_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"ARDUINO_TRADER_HOME": "/from/environ", "HOME": "/root"}
    assert Home.locate("/from/option", environ).root == Path("/from/option")
    assert Home.locate(None, environ).root == Path("/from/environ")
    assert Home.locate(None, {}).root == Path("~/.arduino-trader").expanduser()
    assert Home.locate(None, {"ARDUINO_TRADER_HOME": ""}) == Home.locate(None, {})


@pytest.mark.parametrize("bucket", ["..", "a/b", "A", "", "a" * 65, ".x", "a.b", "a\n", "-a", "ä"])
def test_what_is_no_bucket_id_never_becomes_a_path(bucket: str) -> None:
    home = Home(Path("/h"))
    for path_of in (home.bucket_file, home.portfolio_file, home.ledger_file, home.plans_dir):
        with pytest.raises(HomeError, match="is not a bucket id"):
            path_of(bucket)


def test_a_bucket_id_of_64_characters_is_the_longest() -> None:
    assert check_bucket_id("a" * 64) == "a" * 64


def test_a_missing_home_says_how_to_make_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "none")
    assert home.bucket_ids() == ()
    with pytest.raises(HomeError, match="trader init --home"):
        home.require_bucket("core")


def unreadable(path: Path) -> Path:
    """Put a link to itself there: even root cannot read it."""
    path.symlink_to(path)
    return path


def test_a_home_that_cannot_be_read_is_not_told_to_be_missing_or_empty(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"/home: cannot be read: .* \(check its owner"):
        Home(unreadable(tmp_path / "home")).require_home()
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="is not a folder"):
        Home(tmp_path / "file").require_home()
    home = Home(tmp_path)
    assert home.require_bucket_ids() == ()
    unreadable(home.portfolios_dir)
    for require in (home.require_bucket_ids, lambda: home.require_bucket("core")):
        with pytest.raises(HomeError, match="/portfolios: cannot be read"):
            require()
    assert home.bucket_ids() == ()


def test_a_file_that_cannot_be_read_is_not_taken_for_one_that_is_missing(tmp_path: Path) -> None:
    home = create_home(tmp_path / "home", demo=True).home
    assert may_exist(home.device_file)
    assert not may_exist(home.root / "none")
    for path in (home.device_file, home.ledger_file("core"), home.corporate_actions_file):
        path.unlink(missing_ok=True)
        unreadable(path)
    with pytest.raises(ConfigFileError, match=r"device.toml: cannot be read"):
        load_device_config(home)
    ledger = read_ledger(home.ledger_file("core"), date(2022, 12, 28), {}, lambda *_: 1.0)
    assert ledger.status is LedgerStatus.INVALID
    with pytest.raises(MarketDataError, match=r"corporate_actions.csv: cannot be read"):
        read_splits(home.corporate_actions_file, date(2022, 12, 28))


def test_a_new_home_has_files_for_people_that_only_they_can_read(tmp_path: Path) -> None:
    created = create_home(tmp_path / "new" / "home", demo=False)
    names = {str(path.relative_to(created.home.root)) for path in created.written}
    assert names == {
        "README.txt",
        "device.toml",
        "buckets/core.toml",
        "schema/bucket.json",
        "schema/device.json",
        "schema/portfolio.json",
        "portfolios/core.toml",
        "portfolios/core.trades.csv",
        "market/prices.csv",
        "market/fx.csv",
        "market/corporate_actions.csv",
    }
    for path in created.written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path
        assert path.read_text(encoding="utf-8").startswith(
            ("#", "The home of", '{\n  "$schema"')
        ), path
    assert not created.home.is_demo


def test_a_new_home_is_valid_and_says_what_it_lacks(tmp_path: Path) -> None:
    home = create_home(tmp_path, demo=False).home
    load_config_file(home.bucket_file("core"))
    assert read_portfolio(home.portfolio_file("core")).tables.base_currency == "USD"
    with pytest.raises(MarketDataError, match=r"prices\.csv:\d+:1: there are no rows"):
        take_snapshot(home, "core")


def test_the_examples_in_the_templates_are_valid_when_their_marks_are_taken_away(
    tmp_path: Path,
) -> None:
    home = create_home(tmp_path, demo=False).home
    path = home.portfolio_file("core")
    lines = [
        line.removeprefix("#")
        if line.startswith("#") and not line.startswith(("# ", "#:"))
        else line
        for line in path.read_text().splitlines()
        if line.strip() != "#"
    ]
    lines = [line.replace("#  {", "  {").replace("#]", "]") for line in lines]
    path.write_text("\n".join(lines) + "\n")
    tables = read_portfolio(path).tables
    assert set(tables.securities) == {"ACME", "FOO", "WORLD", "BOND2032"}
    assert len(tables.securities["ACME"].lots) == 2
    assert len(tables.cash_flows) == len(tables.pending_orders) == len(tables.accepted_prices) == 1


def test_what_is_there_is_kept_and_told(tmp_path: Path) -> None:
    home = create_home(tmp_path, demo=False).home
    home.portfolio_file("core").write_text("mine")
    home.fx_file.unlink()
    again = create_home(tmp_path, demo=False)
    assert again.written == (home.fx_file,)
    assert home.portfolio_file("core") in again.existing
    assert home.portfolio_file("core").read_text() == "mine"


def test_a_demo_home_plans_at_once(tmp_path: Path) -> None:
    home = create_home(tmp_path, demo=True).home
    assert home.is_demo
    assert home.bucket_ids() == ("core", "satellite_a")
    for bucket in home.bucket_ids():
        load_config_file(home.bucket_file(bucket))
        assert take_snapshot(home, bucket).findings == ()


def test_demo_data_is_never_mixed_into_a_home_of_ones_own(tmp_path: Path) -> None:
    create_home(tmp_path, demo=False)
    with pytest.raises(HomeError, match="demo data is not mixed into it"):
        create_home(tmp_path, demo=True)
    assert not (tmp_path / "PROVENANCE.md").exists()


def test_a_demo_home_that_was_cut_off_can_be_completed(tmp_path: Path) -> None:
    create_home(tmp_path, demo=True)
    (tmp_path / "market" / "fx.csv").unlink()
    again = create_home(tmp_path, demo=True)
    assert [path.name for path in again.written] == ["fx.csv"]


def test_a_file_in_place_of_the_home_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="is not a folder"):
        create_home(tmp_path / "home", demo=False)
    with pytest.raises(StorageError, match="a part of the path is a file"):
        create_home(tmp_path / "home" / "below", demo=False)


def test_a_full_disk_is_a_storage_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"the disk is full: free some space"):
        create_home(tmp_path, demo=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_schemas_become_those_of_the_installed_version(tmp_path: Path) -> None:
    root = create_home(tmp_path / "home", demo=False).home.root
    schema = root / "schema" / "bucket.json"
    shipped = schema.read_bytes()
    schema.write_bytes(b"{}")
    again = create_home(root, demo=False)
    assert again.written == (schema,)
    assert schema.read_bytes() == shipped
    assert create_home(root, demo=False).written == ()
