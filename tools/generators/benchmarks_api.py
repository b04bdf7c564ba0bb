"""The part of the benchmarks' page about the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.generators.benchmarks_numbers import number

HEAD = """\
## The HTTP API

The daemon serves the demo's bucket `core` ([api.md](api.md)), with the virtual board. For
{seconds:g} s {streams} clients read event streams, one requests a plan ten times a second, one
reads health, plans and metrics twice a second, and the button is pressed every 1.3 s. Five of the
streams break off every few seconds and are resumed. The clients are one other process **on the same
processors**, and so are board, planner and whatever else runs there. Each answer, each event and
each press is checked against the journal.

"""


def api(result: Mapping[str, Any]) -> str:
    """Return the section."""
    return HEAD.format(**result) + "\n".join([counts(result), times(result), memory(result)])


def counts(result: Mapping[str, Any]) -> str:
    """Return the number of requests, and of all that went wrong."""
    return (
        f"{number(result['triggers'], 4)} requests and {result['presses']} presses made"
        f" {result['plans_made']} plans; {result['plans_joined']} of the requests joined a plan"
        " under way. Wrong answers:"
        f" {result['errors']}. Of {number(result['events'], 4)} events on each of"
        f" {result['streams']} streams, {result['events_lost']} were lost,"
        f" {result['events_doubled']} came twice, {result['events_out_of_order']} out of order,"
        f" {result['events_wrong']} with another content; {result['resumptions']} times a stream"
        f" was resumed. Presses lost: {result['lost_presses']}."
        f" Promises broken: {result['promises_broken']}.\n"
    )


def times(result: Mapping[str, Any]) -> str:
    """Return the delays of answers, events and the link."""
    return (
        "From the moment at which a request for a plan was due to its answer:"
        f" {number(result['p50_ms'])} ms (median), {number(result['p99_ms'])} ms (99 %), at most"
        f" {number(result['max_ms'])} ms; what waits behind a late answer counts as late. From the"
        f" moment at which it was sent: {number(result['answer_p50_ms'])} and"
        f" {number(result['answer_p99_ms'])} ms. Other requests: {number(result['read_p50_ms'])}"
        f" and {number(result['read_p99_ms'])} ms. An"
        f" event is on a stream {number(result['event_p50_ms'])} ms after it happened"
        f" ({number(result['event_p99_ms'])} ms, 99 %): the journal is looked at four times a"
        " second. An edge of the button is acknowledged to the board after"
        f" {number(result['ack_ms'])} ms, {number(result['ack_ratio'])} times as long as without"
        f" the load (median; at most {number(result['ack_max_ms'])} ms), and a plan is on the"
        f" matrix {number(result['frame_ms'])} ms after it is stored,"
        f" {number(result['frame_ratio'])} times as long. Other work ran on the machine:"
        f" {number(result['load'], 2)} processes wanted its processors."
        " The API's process has a lower priority than the daemon's.\n"
    )


def memory(result: Mapping[str, Any]) -> str:
    """Return the memory of all processes."""
    return (
        f"Daemon, planner and API together hold at most {number(result['rss_mb'])} MiB,"
        f" {number(result['added_rss_mb'])} more than with the API off. From the second quarter of"
        f" the load to the last they grew by {number(result['rss_growth_mb'], 2)} MiB.\n"
    )
