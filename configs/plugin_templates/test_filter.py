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

    def test_it_rejects_a_buy_of_what_fell_and_lets_sells_pass(self) -> None:
        """Compute one case by hand: from 100 to 80 in 60 market days is a fall of 20 %."""
        days = 300
        falling = [100.0] * (days - 60) + [100.0 - 20.0 * day / 60 for day in range(1, 61)]
        state = make_state({"AAA": falling, "BBB": [50.0] * days}, held={"AAA": 10})
        candidates = make_candidates(state, {"AAA": 5, "BBB": 5})
        rejected = MyModule().reject(candidates, state, MyModuleParameters())
        self.assertEqual(rejected, {0: "it fell by 20.0% in 60 market days"})
        sells = make_candidates(state, {"AAA": -5})
        self.assertEqual(MyModule().reject(sells, state, MyModuleParameters()), {})


if __name__ == "__main__":
    unittest.main()
