"""Sequence generators: which sets the evaluator looks at, one file each."""

from planner_core.sequences.combinatorial import Combinatorial

BUILTIN_SEQUENCES = (Combinatorial(),)
