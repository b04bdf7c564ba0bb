"""Dead code is named, in the product alone and anywhere; exceptions must be needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import dead_code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "host/a.py": "def used(): pass\ndef only_tested(): pass\ndef unused(): pass\nused()\n",
        "host/cli/arguments.py": "set_defaults(run='plan.run')\n",
        "host/cli/commands/plan.py": "def run(): pass\n",
        "host/telemetry/events.py": "class Pressed:\n    button: int\nPressed()\n",
        "tests/test_a.py": "from host.a import only_tested\nonly_tested()\n",
        "tools/c.py": "def nothing_calls_it(): pass\n",
    }
    for folder in dead_code.EVERYTHING:
        (tmp_path / folder).mkdir()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_only_a_test_uses_is_dead_in_the_product_and_an_event_field_is_not(root: Path) -> None:
    assert list(dead_code.violations(root, {})) == [
        "host/a.py:2: unused function `only_tested`",
        "host/a.py:3: unused function `unused`",
        "tools/c.py:1: unused function `nothing_calls_it`",
    ]


def test_an_exception_is_allowed_and_one_that_nothing_needs_is_named(root: Path) -> None:
    allowed = dict.fromkeys(("only_tested", "unused", "nothing_calls_it", "used"), "a reason")
    assert list(dead_code.violations(root, allowed)) == [
        "tools/dead_code.py: `used` is used now: remove it from ALLOWED"
    ]
