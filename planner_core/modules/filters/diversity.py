"""Report alternatives that differ, not the same plan with one lot more."""

from __future__ import annotations

from collections.abc import Sequence

from planner_core.modules.module import Filter, ModuleMetadata, ModuleParameters, parameter


class DiversityParameters(ModuleParameters):
    """The overlap of sets that still count as different."""

    overlap_max: float = parameter(
        0.5, unit="Jaccard index", ge=0, le=1, description="maximum overlap with any reported set"
    )


class Diversity(Filter[DiversityParameters]):
    """Pick, in rank order, alternatives whose Jaccard overlap with all picked ones is small.

    `overlap = |A and B| / |A or B|` over candidate ids. The best set itself is never touched.

    Source: P. Jaccard, New Phytologist 11 (1912), 37-50, for the overlap.
    """

    metadata = ModuleMetadata(
        name="diversity",
        version="1.0.0",
        description="Report alternatives that differ, not the same plan with one lot more",
        tags=("report",),
    )
    parameters_model = DiversityParameters

    def select_alternatives(
        self,
        ranked: Sequence[tuple[int, ...]],
        limit: int,
        parameters: DiversityParameters,
    ) -> Sequence[tuple[int, ...]]:
        """Return at most `limit` sets after the first that differ enough from it and each other."""
        selected = list(ranked[:1])
        for candidate in ranked[1:]:
            if len(selected) > limit:
                break
            if all(_overlap(candidate, other) <= parameters.overlap_max for other in selected):
                selected.append(candidate)
        return selected[1:]


def _overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the Jaccard index |first and second| / |first or second|; 1 for two empty sets."""
    union = set(first) | set(second)
    return len(set(first) & set(second)) / len(union) if union else 1.0
