"""Generator of docs/health.md: every finding, from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from host.health.catalogue import CATALOGUE, fault_of
from host.health.finding import Blocks
from tools.generators.data_findings import DATA_FINDINGS

HEAD = """\
# Health

`trader health` reports problems, since when they exist, and what to do about them. It works with or
without a daemon, and it never writes. This page is generated from `host/health/catalogue.py` by
`python tools/generate.py`.

    trader health                 everything
    trader health core            one bucket, and the appliance
    trader health --json          one object, for programs
    trader health --live          is the daemon's loop running? Reads two small files
    trader health --ready         would a press give a plan? With the reasons if not

**Exit codes**: 0 healthy (live, ready); 1 degraded or failed (not live, not ready); 2 a wrong
command line. The status is `failed` with an error, `degraded` with a warning, and `ok` otherwise.
Notes do not count.

**Live is not ready.** Live: the daemon holds the home, and its loop has written `state/heartbeat`
within the last minute. When it does not, systemd's watchdog restarts it ([service.md](service.md)).
Ready: a press of the button would give a plan of the bucket. Home, disk, configuration, data,
daemon, planner and board all work. `can_plan` leaves out what only the button needs.

**Since when** a finding holds is known only to the daemon. It runs all checks once an hour and
keeps the times in `state/health.json`. Without a daemon `since` is null, unless the finding itself
has a date.

**The dead man's switch.** The matrix shows fault 8, and `no_plan_for_long` is reported, when no
plan of a bucket succeeded for longer than `limits.plan_silence_h` of `device.toml` (a week; 0
switches it off). The time counts from the first plan of a bucket, and for the selected one from
the first start of the daemon. A held plan is not a success. An acknowledged fault returns after a
day.

## The object of `--json`

| key | meaning |
|---|---|
| `schema_version` | 1; new keys do not raise it |
| `status` | `ok`, `degraded`, `failed` |
| `live`, `ready` | as above; `ready` is about the selected bucket |
| `checked_at`, `home` | time and folder |
| `daemon` | `running` (it holds the home), `pid`, `started_at`, `linked` (the board answers), \
`planner_running`, `selected_bucket`, `faults` (numbers on the matrix); null: unknown |
| `findings` | all findings, the worst first |
| `buckets` | by id: `status`, `ready`, `can_plan`, `config_version`, `config_in_force` (the file \
has the version in force), `prices_until`, `last_success`, `last_attempt`, `outcome` and \
`valid_until` of the latest plan, `modules` (each with status and message in the latest plan), \
`errors` and `warnings` (findings) |

A finding has `id`, `severity` (`info`, `warning`, `error`), `bucket_id`, `subject` (the security,
module or check), `what`, `action`, `since`, `fixable`, `fix` (a command that fixes it without
further input), `blocks` (`nothing`; `press`: the button gives no plan; `plan`: no plan can be made
at all) and `fault` (the number on the matrix, see [display.md](display.md)).

One condition has one name. `event` is the type of the journal's event that records a finding
([events.md](events.md)).
"""

DATA_HEAD = """\
## Findings about data

These come from the code that reads and checks the data for a plan, and have the same ids in a plan.
Their text names the file, the line or the security.

| id | means |
|---|---|"""


def health_markdown() -> str:
    """Return docs/health.md."""
    return "\n".join([HEAD, *_kinds(), DATA_HEAD, *_data()]) + "\n"


def _kinds() -> Iterator[str]:
    for group, rows in groupby(CATALOGUE.items(), key=lambda row: row[1].group):
        yield f"## {group}\n"
        yield "| id | severity | means | what to do | blocks | fault | event |"
        yield "|---|---|---|---|---|---|---|"
        for kind_id, kind in rows:
            action = kind.action.format(bucket="BUCKET", home="HOME", subject="...")
            blocks = "" if kind.blocks is Blocks.NOTHING else kind.blocks.value
            fault = fault_of(kind_id)
            number = "" if fault is None else str(fault.value)
            event = f"`{kind.event}`" if kind.event else ""
            row = (kind_id, kind.severity.value, kind.meaning, action, blocks, number, event)
            yield f"| `{row[0]}` | {' | '.join(row[1:])} |"
        yield ""


def _data() -> Iterator[str]:
    for kind_id, meaning in sorted(DATA_FINDINGS.items()):
        yield f"| `{kind_id}` | {meaning} |"
