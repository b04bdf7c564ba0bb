"""Sequence generators: they yield the sets that the evaluator scores, one file each."""

from planner_core.modules.sequences.beam import Beam
from planner_core.modules.sequences.combinatorial import Combinatorial
from planner_core.modules.sequences.swap import Swap

BUILTIN_SEQUENCES = (Beam(), Combinatorial(), Swap())
"""In this order: once good sets are ranked, their bounds skip most of what is enumerated."""
