"""`trader health`: what it says, its exit codes, and that it never writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.health.liveness import LivenessFile
from host.home.home import Home
from host.home.storage.instance_lock import InstanceLock
from tests.host.conftest import Trader

HEAVY = ("numpy", "pydantic", "rich", "planner_core.planner", "tomlkit")
WATCHED = """
import json, os, sys
home, writes = sys.argv[1], []
def watch(event, args):
    paths = [os.fsdecode(a) for a in args if isinstance(a, str | bytes | os.PathLike)]
    is_ours = any(os.path.abspath(path).startswith(home) for path in paths)
    if event == "open":
        is_write = is_ours and bool((args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    else:
        is_write = is_ours and event.startswith(("os.", "shutil.")) and event not in READS
    if is_write:
        writes.append([event, paths])
READS = {"os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.getxattr", "os.listxattr"}
sys.addaudithook(watch)
from host.cli.main import main
code = main(["--home", home, *sys.argv[2:]])
print(json.dumps({"code": code, "writes": writes}))
"""


def watched(home: Path, *arguments: str) -> dict[str, object]:
    """Run a command of a process of its own; return its code and what it wrote to the home."""
    process = subprocess.run(
        (sys.executable, "-c", WATCHED, str(home), *arguments),
        capture_output=True,
        text=True,
        check=True,
    )
    record: dict[str, object] = json.loads(process.stdout.splitlines()[-1])
    return record


def tree(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return every path with what would change if it were written."""
    files = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        files[str(path)] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return files


def test_a_healthy_home_is_told_in_words_and_ends_with_0(trader: Trader, own_home: Home) -> None:
    result = trader("--home", own_home.root, "health")
    assert result.code == 0
    assert result.out.startswith(f"OK  {own_home.root} (no daemon serves it)")
    assert "core: a plan can be made" in result.out


def test_a_finding_is_told_with_its_id_and_what_to_do_and_ends_with_1(
    trader: Trader, own_home: Home
) -> None:
    own_home.ledger_file("core").unlink()
    result = trader("--home", own_home.root, "health")
    assert result.code == 1
    assert result.out.startswith("FAILED")
    assert "FAILED core data_unusable" in result.out
    assert "  -> Fix the reported problem; `trader config check core`" in result.out
    assert "core: no plan can be made" in result.out


def test_one_bucket_is_looked_at_alone(trader: Trader, own_home: Home) -> None:
    own_home.ledger_file("satellite_a").unlink()
    assert trader("--home", own_home.root, "health", "core").code == 0
    assert trader("--home", own_home.root, "health").code == 1
    assert list(trader("--home", own_home.root, "health", "core", "--json").json["buckets"]) == [
        "core"
    ]


def test_a_bucket_that_is_not_there_is_a_wrong_command_line(trader: Trader, own_home: Home) -> None:
    result = trader("--home", own_home.root, "health", "cor")
    assert (result.code, result.out) == (2, "")
    assert "did you mean `core`" in result.err


@pytest.mark.parametrize("more", [[], ["core"], ["--ready"], ["--live"]])
def test_a_home_that_is_missing_is_told_and_no_error(
    trader: Trader, tmp_path: Path, more: list[str]
) -> None:
    result = trader("--home", tmp_path / "none", "health", *more)
    assert result.code == 1
    assert result.out
    assert result.err == ""
    assert not (tmp_path / "none").exists()


def test_live_and_ready_are_two_questions(trader: Trader, own_home: Home) -> None:
    home = ("--home", own_home.root, "health")
    assert trader(*home, "--live").out == "not live: no daemon is running\n"
    with InstanceLock(own_home.state_dir):
        assert trader(*home, "--live").out == "not live: the daemon does not respond\n"
        LivenessFile(own_home.state_dir).write()
        live = trader(*home, "--live")
        assert (live.code, live.out[:5]) == (0, "live:")
        ready = trader(*home, "--ready")
        assert (ready.code, ready.out) == (0, "ready: a press gives a plan\n")
        own_home.prices_file.unlink()
        ready = trader(*home, "--ready")
        assert ready.code == 1
        assert ready.out.startswith("not ready: data_unusable: ")
        assert trader(*home, "--live").code == 0
        answer = trader(*home, "--ready", "--json").json
        assert answer["ready"] is False
        assert {record["id"] for record in answer["because"]} == {"data_unusable"}


def test_the_keys_of_the_answer_are_those_that_are_documented(
    trader: Trader, own_home: Home
) -> None:
    answer = trader("--home", own_home.root, "health", "--json").json
    text = (Path(__file__).parents[4] / "docs" / "health.md").read_text("utf-8")
    bucket = answer["buckets"]["core"]
    for key in (*answer, *bucket, *answer["findings"][0], *answer["daemon"]):
        assert f"`{key}`" in text, key


@pytest.mark.parametrize("state", ["well", "broken", "never planned"])
def test_looking_writes_nothing_whatever_it_finds(own_home: Home, state: str) -> None:
    home = own_home.root
    if state != "never planned":
        subprocess.run(
            (sys.executable, "-m", "host.cli", "--home", home, "plan", "core"),
            check=True,
            capture_output=True,
        )
    if state == "broken":
        next(own_home.plans_dir("core").glob("*.json")).write_bytes(b"")
        (own_home.config_history_dir("core") / "000001.toml").write_bytes(b"")
        own_home.bucket_file("core").write_text("x = [", "utf-8")
        own_home.state_dir.mkdir(exist_ok=True)
        (own_home.state_dir / "health.json").write_bytes(b"{")
        (own_home.state_dir / "daemon.lock").write_bytes(b"")
    before = tree(home)
    for arguments in (
        ["health"],
        ["health", "--json"],
        ["health", "--live"],
        ["health", "--ready"],
    ):
        assert watched(home, *arguments)["writes"] == []
    assert tree(home) == before


def test_the_watch_above_sees_a_command_that_writes(own_home: Home) -> None:
    record = watched(own_home.root, "plan", "core")
    assert record["code"] == os.EX_OK
    assert record["writes"]


def test_whether_a_daemon_lives_is_asked_without_anything_heavy(own_home: Home) -> None:
    script = (
        "import sys; from host.cli.main import main;"
        f"main(['--home', {str(own_home.root)!r}, 'health', '--live']);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    process = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "[]"


def test_who_may_not_know_whether_a_daemon_lives_is_told_so(
    trader: Trader, own_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_state_dir: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("host.health.probe.is_locked", refuse)
    result = trader("--home", own_home.root, "health", "--live")
    assert (result.code, result.out) == (1, "")
    assert "run it as the owner" in result.err
    assert "check_failed" in trader("--home", own_home.root, "health").out
