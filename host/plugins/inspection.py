"""Runs plugins once in a process that may be killed, and says what modules they have.

A plugin that crashes, hangs or leaves something behind costs that process. Then the others are
loaded in another one. A plugin that is not the first of its process is tried alone before it is
blamed: an earlier one may have left a timer or a thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from host.limits import PLAN_MEMORY_MB
from host.plugins.description import PluginDescription
from host.plugins.line_process import NOT_STARTED, LineProcess
from host.sandbox import adopt_orphans
from host.text import printable

if TYPE_CHECKING:
    from host.plugins.sources import PluginSource

LOAD_S: Final = 20.0
"""For one plugin, and for the start of the process. A board takes seconds to import numpy."""
TOTAL_S: Final = 60.0
"""For all plugins. Those that are not loaded by then are left out."""
LAST_LINE_LENGTH: Final = 200
MAIN: Final = "host.plugins.inspection_main"


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """Seconds and megabytes."""

    load_s: float = LOAD_S
    total_s: float = TOTAL_S
    memory_mb: int = PLAN_MEMORY_MB


def inspect_plugins(
    folder: Path, sources: Sequence[PluginSource], limits: InspectionLimits | None = None
) -> list[PluginDescription]:
    """Load each plugin in a process of its own kind, and describe it.

    Parameters
    ----------
    folder : Path
    sources : sequence of PluginSource
        Without a problem.
    limits : InspectionLimits, optional

    Returns
    -------
    list of PluginDescription
        One per source, in their order.
    """
    limits = limits or InspectionLimits()
    adopt_orphans()
    end_s = time.monotonic() + limits.total_s
    waiting = list(sources)
    results: dict[str, PluginDescription] = {}
    has_started = False
    while waiting and time.monotonic() < end_s:
        run = _Run(folder, [source.label for source in waiting], limits, end_s)
        run.complete()
        results |= {item.label: item for item in run.loaded}
        waiting = [source for source in waiting if source.label not in results]
        culprit = next((source for source in waiting if source.label == run.current), None)
        if culprit is not None:
            if not run.loaded:
                results[culprit.label] = _failed(culprit, run.failure)
            waiting.remove(culprit)
            waiting = waiting if culprit.label in results else [culprit, *waiting]
        elif not run.loaded:
            # Nothing is to blame: the process did not start. Once more, then not again.
            if has_started:
                break
            has_started = True
    why = f"was not loaded: all plugins together took longer than {limits.total_s:g} s"
    if waiting and time.monotonic() < end_s:
        why = "was not loaded: the process that loads plugins does not start"
    results |= {source.label: _failed(source, why, is_tried=False) for source in waiting}
    return [results[source.label] for source in sources]


def _failed(source: PluginSource, why: str, *, is_tried: bool = True) -> PluginDescription:
    return PluginDescription(label=source.label, sha256=source.sha256, error=why, is_tried=is_tried)


class _Run(LineProcess):
    """One process, from its start to its end."""

    def __init__(
        self, folder: Path, labels: list[str], limits: InspectionLimits, end_s: float
    ) -> None:
        request = {"folder": str(folder), "labels": labels, "memory_mb": limits.memory_mb}
        super().__init__(MAIN, request, step_s=limits.load_s, start_s=limits.load_s, end_s=end_s)
        self.loaded: list[PluginDescription] = []

    @property
    def failure(self) -> str:
        """How the process failed, and the last line that it wrote."""
        lines = self.output.strip().splitlines()
        shown = f" (its last output: {printable(lines[-1])[:LAST_LINE_LENGTH]})" if lines else ""
        return f"{self.problem} while it was loaded{shown if self.has_ended else ''}"

    def on_message(self, message: dict[str, Any]) -> None:
        """Note which plugin is being loaded, and what was."""
        if "loading" in message:
            self.current = str(message["loading"])
        elif "loaded" in message:
            description = PluginDescription.model_validate(message["loaded"])
            if description.label != self.current:
                raise ValueError("about another plugin")
            self.loaded.append(description)
            self.current = NOT_STARTED
        else:
            self.is_done = bool(message["done"])
