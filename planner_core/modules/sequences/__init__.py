"""Sequence generators: which sets the evaluator looks at, one file each."""

from planner_core.modules.sequences.beam import Beam
from planner_core.modules.sequences.combinatorial import Combinatorial
from planner_core.modules.sequences.swap import Swap

BUILTIN_SEQUENCES = (Beam(), Combinatorial(), Swap())
"""In this order: with good sets known, bounds skip most of what is enumerated."""
