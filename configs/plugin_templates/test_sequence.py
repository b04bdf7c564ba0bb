"""Tests of my_module. This file is not loaded as a plugin.

python -m unittest discover -s FOLDER-OF-THIS-FILE
"""

import unittest

from my_module import MyModule, MyModuleParameters

from planner_core.testing import check_module, make_candidates, make_space, make_state


class MyModuleTest(unittest.TestCase):
    """Promises of my_module."""

    def test_it_keeps_the_contract_of_its_kind(self) -> None:
        """Check shape, range, repeatability and unchanged inputs in every sample state."""
        self.assertEqual(check_module(MyModule()).problems, ())

    def test_it_compares_every_pair_of_different_securities(self) -> None:
        """Count one case by hand: of three candidates on three securities there are 3 pairs."""
        days = 300
        closes = {"AAA": [100.0] * days, "BBB": [50.0] * days, "CCC": [20.0] * days}
        state = make_state(closes, held={"AAA": 10})
        candidates = make_candidates(state, {"AAA": -5, "BBB": 10, "CCC": 10})
        space = make_space(state, candidates, depth=2)
        (block,) = MyModule().generate(space, state, MyModuleParameters())
        pairs = {tuple(sorted(map(int, column))) for column in block.T}
        self.assertEqual(pairs, {(0, 1), (0, 2), (1, 2)})


if __name__ == "__main__":
    unittest.main()
