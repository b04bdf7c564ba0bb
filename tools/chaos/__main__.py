"""Run stories: `python -m tools.chaos [SEED ...]`, by default the first twenty.

The exit code is 1 if one failed. The same seed gives the same story; `--diary` prints its steps.
"""

from __future__ import annotations

import argparse
import sys

from tools.chaos.runner import SIDE_BY_SIDE, play_all

FIRST = range(20)


def main() -> int:
    """Run the stories and print the result of each."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, metavar="SEED")
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE, metavar="N")
    parser.add_argument(
        "--diary",
        action="store_true",
        help="print the steps of every story",
    )
    options = parser.parse_args()
    if options.side_by_side < 1:
        parser.error("--side-by-side: at least 1")
    failed = 0
    for outcome in play_all(options.seeds or FIRST, options.side_by_side):
        failed += bool(outcome.violations)
        fate = f"{len(outcome.violations)} violations" if outcome.violations else "ok"
        what = ", ".join(outcome.troubles)
        print(f"seed {outcome.seed}: {fate} in {outcome.elapsed_s:.0f} s ({what})", flush=True)
        if outcome.violations or options.diary:
            print("\n".join(f"    {line}" for line in outcome.diary), flush=True)
        for violation in outcome.violations:
            print(f"  {violation}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
