"""The part of the benchmarks' page about the appliance: watching, troubles, endurance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.generators.benchmarks_numbers import markdown_table, number

Result = Mapping[str, Any]

HEAD = """\
## The appliance

The demo's home with the real planner, on this computer: the cost of events and logs, injected
faults, and a thousand presses ([reliability.md](reliability.md) describes the method).

"""


def appliance(results: Mapping[str, Result]) -> str:
    """Return the section; what was not measured is left out, and all of it where nothing was."""
    parts = [write(results[name]) for name, write in SENTENCES.items() if name in results]
    return HEAD + "\n".join(parts) if parts else ""


def pressed(result: Result) -> str:
    """Return the times of a press, and the cost of an idle appliance."""
    return (
        f"From a press to its plan on the matrix: {number(result['press_to_frame_ms'])} ms (median;"
        " the press takes 100 ms of it, the wait for a second one 300 ms, during which the plan"
        f" already runs). An idle appliance takes {result['idle_cpu_fraction']:.2%} of a processor;"
        f" daemon and planner hold {number(result['daemon_rss_mb'])} and"
        f" {number(result['worker_rss_mb'])} MiB.\n"
    )


def watched(result: Result) -> str:
    """Return the cost of events, log, journal and metrics, and the delays of the daemon."""
    late = ", ".join(f"{number(ms)} ms ({what})" for what, ms in result["stall_ms"].items())
    return (
        f"Events and logs make a plan of {number(result['plan_cpu_ms'])} ms take"
        f" {number(result['overhead_ratio'], 4)} times the processor time in its own process. With"
        " the daemon's part (bus, log, journal, metrics) they add"
        f" {number(result['overhead_cpu_ms'])} ms to a press of"
        f" {number(result['press_cpu_ms'])} ms: {number(result['overhead_ratio_press'], 4)} times."
        " Largest delays"
        f" of the daemon's loop while its planner planned, hung and died: {late}; of these at most"
        f" {number(result['max_loop_stall_unqueued_ms'])} ms while a processor was free.\n"
    )


def troubled(result: Result) -> str:
    """Return the violations, and the time of recovery."""
    return (
        f"In {result['scenarios']} stories with several faults at a time, with"
        f" {sum(result['troubles'].values())} faults, {result['presses']} presses that were"
        f" acknowledged and {result['daemons']} starts of the daemon, {result['violations']}"
        " promises broke. From the end of the faults to a new plan on the matrix:"
        f" {number(result['recovery_s_median'], 2)} s (median), at most"
        f" {number(result['recovery_s_max'], 2)} s.\n"
    )


def endured(result: Result) -> str:
    """Return the losses of a thousand presses, and the growth of memory."""
    rows = [
        (name, *(number(size) for size in result[f"{name}_mb"][::3]))
        for name in ("daemon", "worker")
    ]
    looks = len(result["daemon_mb"])
    head = ("MiB after", *(str(100 * (look + 1)) for look in range(0, looks, 3)))
    return (
        f"{number(result['presses'], 4)} presses on the Yun's firmware and one daemon gave"
        f" {number(result['plans'], 4)} plans; lost or doubled: {len(result['broken'])}. Per 100"
        f" presses the daemon grew by {number(result['daemon_growth_kb_per_100'], 2)} KiB and the"
        f" planner by {number(result['worker_growth_kb_per_100'], 2)} (median of slopes).\n\n"
        + markdown_table(head, rows)
    )


def stored(result: Result) -> str:
    """Return the effect of injected faults on configurations."""
    return (
        f"Of {result['points']} faults injected into the storing of configurations, one system call"
        f" at a time, {result['lost_acknowledged']} lost a version that was acknowledged,"
        f" {result['torn']} left a torn one, {result['unrecovered']} needed manual repair. A commit"
        f" takes {number(result['commit_ms'], 2)} ms with both its fsyncs.\n"
    )


SENTENCES = {
    "appliance": pressed,
    "observability": watched,
    "chaos": troubled,
    "history": stored,
    "endurance": endured,
}
