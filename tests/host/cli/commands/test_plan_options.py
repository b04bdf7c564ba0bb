"""`trader plan --prove --explain --plot`: what they print, write and refuse."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli.progress import show_progress
from host.home.home import Home
from host.planning.plan_run import make_plan
from host.presentation import plan_plot
from tests.host.conftest import Trader
from tests.host.planning.test_plan_json import TOP_KEYS
from tests.host.presentation.test_explanation_view import EXPLANATION_KEYS

DOCUMENTED = Path(__file__).resolve().parents[4] / "docs" / "plan-json.md"


def idle(home: Home) -> Home:
    """Make every gain too small to bother."""
    file = home.bucket_file("satellite_a")
    text = file.read_text().replace("\n[constraints]", "\n[constraints]\nmin_gain_bps = 900.0", 1)
    # To be off target counts a tenth of what it does by default.
    text = text.replace("\n#tracking_aversion = 80.0", "\ntracking_aversion = 8.0", 1)
    lines = [line for line in text.splitlines() if not line.startswith("min_gain_bps = 5")]
    file.write_text("\n".join(lines) + "\n")
    return home


def test_a_proof_comes_as_a_certificate_and_as_a_sentence(trader: Trader, demo_home: Home) -> None:
    place = ("--home", demo_home.root, "--no-store")
    record = trader("plan", "satellite_a", *place, "--prove=20", "--json").json
    assert list(record) == TOP_KEYS
    certificate = record["certificate"]
    assert list(certificate) == [
        "upper_bound", "gap", "exact", "nodes", "elapsed_s", "answer",
    ]  # fmt: skip
    assert (certificate["exact"], certificate["answer"]) == (True, "proven")
    assert 0 <= certificate["gap"] <= 1e-9
    assert certificate["upper_bound"] >= record["score"]["after"] - 1e-9
    assert certificate["nodes"] > 0
    words = trader("plan", "satellite_a", *place, "--prove", "20").out
    assert "Proven best for this objective: no plan among the " in words


def test_a_proof_without_enough_time_claims_no_more_than_it_found(
    trader: Trader, demo_home: Home
) -> None:
    place = ("--home", demo_home.root, "--no-store")
    record = trader("plan", "core", *place, "--prove=0.000001", "--json").json
    assert record["certificate"]["exact"] is False
    assert record["certificate"]["answer"] in ("within", "open")
    gap = record["certificate"]["upper_bound"] - record["score"]["after"]
    assert record["certificate"]["gap"] == pytest.approx(gap)
    assert gap > 0


def test_without_options_there_is_a_short_proof_and_no_explanation(
    trader: Trader, demo_home: Home
) -> None:
    record = trader("plan", "satellite_a", "--home", demo_home.root, "--no-store", "--json").json
    assert record["certificate"]["answer"] in ("proven", "within", "open")
    # The root of the tree is bounded whatever the time; a batch of boxes ends after its time.
    assert record["certificate"]["elapsed_s"] < 10
    assert record["explanation"] is None


def test_an_explanation_is_printed_kept_and_changes_no_other_key(
    trader: Trader, own_home: Home
) -> None:
    place = ("--home", own_home.root)
    plain = trader("plan", "satellite_a", *place, "--no-store", "--json").json
    result = trader("plan", "satellite_a", *place, "--explain", "--json")
    assert (result.code, result.err) == (0, "")
    assert list(result.json["explanation"]) == EXPLANATION_KEYS
    changing = {
        "explanation", "trace_id", "created_at", "modules", "config_version", "certificate",
    }  # fmt: skip
    assert {k: v for k, v in result.json.items() if k not in changing} == {
        k: v for k, v in plain.items() if k not in changing
    }
    (stored,) = own_home.plans_dir("satellite_a").iterdir()
    assert json.loads(stored.read_text()) == result.json
    total = sum(step["gain"] for step in result.json["explanation"]["steps"])
    assert total == pytest.approx(result.json["score"]["gain"])
    for risk in ("risk_before", "risk_after"):
        shares = sum(holding[risk] for holding in result.json["explanation"]["holdings"])
        assert shares == pytest.approx(1.0)


def test_doing_nothing_is_explained_by_the_nearest_alternative(
    trader: Trader, own_home: Home
) -> None:
    place = ("--home", idle(own_home).root, "--no-store", "--explain")
    record = trader("plan", "satellite_a", *place, "--json").json
    assert record["outcome"] == "NOTHING_TO_DO"
    assert record["explanation"]["steps"] == []
    assert 0 < record["explanation"]["runner_up"]["gain"] < 0.09
    words = " ".join(trader("plan", "satellite_a", *place).out.split())
    assert "The nearest alternative" in words
    assert "a trade has to gain at least 9.00%" in words


def test_a_held_plan_has_nothing_to_explain_and_nothing_to_draw(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    own_home.prices_file.write_text("date,AAPL\n2022-12-27,nan\n")
    path = tmp_path / "plan.png"
    result = trader(
        "plan", "core", "--home", own_home.root, "--explain", "--prove", "1", "--plot", path,
        "--json",
    )  # fmt: skip
    assert result.code == 1
    assert result.json["explanation"] is None
    assert result.json["certificate"] is None
    assert "nothing was drawn" in result.err
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["core", "--prove", "-3"], "must be more than 0 and at most 3600 s"),
        (["core", "--prove=0"], "must be more than 0 and at most 3600 s"),
        (["core", "--prove", "nan"], "must be more than 0 and at most 3600 s"),
        (["core", "--prove", "inf"], "must be more than 0 and at most 3600 s"),
        (["--prove", "core"], "'core' is not a number of seconds (BUCKET goes before --prove)"),
        (["core", "--plot", "plan.pdf"], "'plan.pdf': must end in .png or .svg"),
        (["core", "--plot", "plan"], "must end in .png or .svg"),
        (["core", "--plot", ".png"], "must end in .png or .svg"),
    ],
)
def test_a_wrong_option_is_answered_with_one_line_and_exit_code_2(
    trader: Trader, demo_home: Home, arguments: list[str], line: str
) -> None:
    result = trader("plan", *arguments, "--home", demo_home.root)
    assert (result.code, result.out) == (2, "")
    assert line in result.err
    assert result.err.count("\n") == 1


def test_a_plot_that_cannot_be_written_is_refused_before_any_work(
    trader: Trader, own_home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "nowhere" / "plan.png"
    result = trader("plan", "core", "--home", own_home.root, "--plot", path)
    assert (result.code, result.out) == (1, "")
    assert "there is no folder" in result.err
    assert not own_home.plans_dir("core").exists()


def test_without_matplotlib_the_answer_is_one_line_with_the_command(
    trader: Trader, demo_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_plot, "find_spec", lambda _name: None)
    result = trader("plan", "core", "--home", demo_home.root, "--plot", tmp_path / "a.png")
    assert result.code == 1
    assert "pip install 'arduino-trader[plots]'" in result.err
    assert result.err.count("\n") == 1


def test_a_plot_is_drawn_and_its_path_is_told_but_not_into_json(
    trader: Trader, demo_home: Home, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "plan.svg"
    place = ("--home", demo_home.root, "--no-store", "--plot", path)
    result = trader("plan", "satellite_a", *place)
    assert (result.code, result.err) == (0, "")
    assert f"Drawn to {path}" in result.out
    assert path.read_text().startswith("<?xml")
    assert trader("plan", "satellite_a", *place, "--json").json["explanation"] is None


def test_a_plan_without_a_plot_does_not_import_matplotlib(demo_home: Home) -> None:
    code = (
        "import sys; from host.cli.main import main; "
        f"main(['plan', 'satellite_a', '--no-store', '--home', {str(demo_home.root)!r}]); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert process.returncode == 0


def received(terminal: int) -> Iterator[str]:
    """Yield the output on a terminal until its writer closes it."""
    try:
        while text := os.read(terminal, 65_536):
            yield text.decode()
    except OSError:
        pass  # closed


def test_progress_is_shown_on_a_terminal_and_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w") as terminal, show_progress(terminal) as tell:
            tell("proving", 10.0)
            time.sleep(0.3)
            tell("explaining", None)
            time.sleep(0.3)
        drawn = "".join(received(ours))
    finally:
        os.close(ours)
    assert "0 s of 10 s at most" in drawn.partition("explaining")[0]
    assert "at most" not in drawn.partition("explaining")[2], "how long that takes is not known"
    assert drawn.rstrip().endswith("\x1b[2K"), "the line is erased"


def test_no_progress_is_shown_in_a_pipe_or_on_a_terminal_that_cannot_erase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = io.StringIO()
    with show_progress(pipe) as tell:
        tell("proving", 10.0)
    assert pipe.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w") as terminal:
            with show_progress(terminal) as tell:
                tell("proving", None)
            terminal.write("end")
        assert "".join(received(ours)) == "end"
    finally:
        os.close(ours)


def test_every_key_of_an_explanation_is_documented() -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    for key in EXPLANATION_KEYS:
        assert f"`{key}`" in text, key


def test_a_plan_says_how_far_it_leads(trader: Trader, demo_home: Home) -> None:
    place = ("--home", demo_home.root, "--no-store", "--explain")
    result = trader("plan", "core", *place, "--json")
    path = result.json["path"]
    documented = DOCUMENTED.read_text(encoding="utf-8")
    assert all(f"`{key}`" in documented for key in path)
    assert path["trades"] == len(result.json["steps"])
    distance = result.json["metrics"]["distance"]
    assert (path["distance_before"], path["distance_after"]) == (
        distance["before"], distance["after"]
    )  # fmt: skip
    assert path["distance_end"] < path["distance_after"]
    words = " ".join(trader("plan", "core", *place).out.split())
    assert f"Outlook: {path['trades']} trades now, about {path['later_trades']} more in " in words
    assert f"then within {path['distance_end']:.1%} of the targets" in words


def test_the_appliance_does_not_wait_for_an_outlook(own_home: Home) -> None:
    assert make_plan(own_home, "core").record["path"] is None


def test_a_front_is_printed_and_kept(trader: Trader, demo_home: Home) -> None:
    place = ("--home", demo_home.root, "--no-store", "--front")
    record = trader("plan", "satellite_a", *place, "--json").json
    assert [point["trades_max"] for point in record["front"]] == list(range(1, 11))
    documented = DOCUMENTED.read_text(encoding="utf-8")
    assert all(f"`{key}`" in documented for key in record["front"][0])
    gains = [point["gain"] for point in record["front"]]
    assert gains == sorted(gains)
    assert {point["proof"] for point in record["front"]} <= {"proven", "within", "open"}
    words = trader("plan", "satellite_a", *place).out
    assert "What 1 to 10 trades reach" in words


def test_without_the_option_there_is_no_front(trader: Trader, demo_home: Home) -> None:
    place = ("--home", demo_home.root, "--no-store")
    assert trader("plan", "satellite_a", *place, "--json").json["front"] is None
