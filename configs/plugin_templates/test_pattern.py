"""Tests of my_module. This file is not loaded as a plugin.

python -m unittest discover -s FOLDER-OF-THIS-FILE
"""

import unittest

from my_module import MyModule, MyModuleParameters

from planner_core.testing import check_module, make_candidates, make_state


class MyModuleTest(unittest.TestCase):
    """Promises of my_module."""

    def test_it_keeps_the_contract_of_its_kind(self) -> None:
        """Check shape, range, repeatability and unchanged inputs in every sample state."""
        self.assertEqual(check_module(MyModule()).problems, ())

    def test_it_pairs_the_sell_with_a_buy_of_another_security(self) -> None:
        """Check one case by hand: candidate 0 sells AAA, candidate 1 buys BBB."""
        days = 300
        state = make_state({"AAA": [100.0] * days, "BBB": [50.0] * days}, held={"AAA": 10})
        candidates = make_candidates(state, {"AAA": -5, "BBB": 10})
        sets = MyModule().generate(candidates, state, MyModuleParameters())
        self.assertEqual(list(sets), [(0, 1)])


if __name__ == "__main__":
    unittest.main()
