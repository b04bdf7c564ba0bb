"""Tests of my_module. This file is not loaded as a plugin.

python -m unittest discover -s FOLDER-OF-THIS-FILE
"""

import unittest

from my_module import MyModule, MyModuleParameters

from planner_core.api import Side, Skip
from planner_core.testing import check_module, make_state


class MyModuleTest(unittest.TestCase):
    """Promises of my_module."""

    def test_it_keeps_the_contract_of_its_kind(self) -> None:
        """Check shape, range, repeatability and unchanged inputs in every sample state."""
        self.assertEqual(check_module(MyModule()).problems, ())

    def test_it_buys_what_rose_and_skips_what_has_no_history(self) -> None:
        """Compute one case by hand: 61 closes, from 100 to 110, are a rise of 10 %."""
        # A security is bought after a year of closes that move; nan: no close on that day.
        before = [100.5, 100.0] * 150
        rising = before + [100.0 + 10.0 * day / 60 for day in range(1, 61)]
        flat = before + [100.0, 100.5] * 30
        young = [float("nan")] * 330 + [50.0] * 30
        state = make_state({"AAA": rising, "BBB": flat, "CCC": young}, cash=10_000.0)
        results = MyModule().calculate(state, MyModuleParameters(share=0.05))
        buys = [result for result in results if not isinstance(result, Skip)]
        self.assertEqual([(buy.security, buy.side) for buy in buys], [(0, Side.BUY)])
        self.assertAlmostEqual(buys[0].notional, 500.0)  # 5 % of 10,000
        self.assertEqual([skip.security for skip in results if isinstance(skip, Skip)], [2])


if __name__ == "__main__":
    unittest.main()
