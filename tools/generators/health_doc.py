"""docs/health.md: every finding there is, from the catalogue that the host finds by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from host.health.catalogue import CATALOGUE, fault_of
from host.health.finding import Blocks
from tools.generators.data_findings import DATA_FINDINGS

HEAD = """\
# Health

`trader health` says what is wrong, since when, and what to do about it. It works with a daemon or
without one, and it never writes. Generated from `host/health/catalogue.py` by
`python tools/generate.py`.

    trader health                 everything
    trader health core            what concerns one bucket, and the appliance
    trader health --json          one object, for programs
    trader health --live          does a daemon's loop turn? Two small files, no numpy
    trader health --ready         would a press give a plan? With the reasons if not

**Exit codes**: 0 healthy (live, ready); 1 degraded or failed (not live, not ready); 2 a wrong
command line. `ok` means that no finding is a warning or an error; `degraded` that one is a warning,
`failed` that one is an error. Notes cost nothing.

**Live is not ready.** Live: the daemon holds the home and its loop gave a sign of life within the
last minute; what restarts it when it does not is systemd's watchdog ([service.md](service.md)).
Ready: a press of the button would give a plan of the bucket, so home, disk, configuration, data,
daemon, planner and board are all there. `can_plan` leaves out what only the button needs.

**Since when** something holds is known to the daemon alone, which keeps it in `state/health.json`
and has everything looked at once an hour; without one, `since` is null unless the finding itself
has a date.

**The dead man's switch.** When no plan of a bucket succeeded for longer than
`limits.plan_silence_h` of `device.toml` (a week; 0 switches it off), the matrix shows fault 8 and
`no_plan_for_long` is found. It waits for a bucket from its first plan on, and for the selected one
from the daemon's first start. A plan that is held is no success. An acknowledged one returns after
a day.

## The object of `--json`

| key | meaning |
|---|---|
| `schema_version` | 1; new keys do not raise it |
| `status` | `ok`, `degraded`, `failed` |
| `live`, `ready` | as above; `ready` is about the selected bucket |
| `checked_at`, `home` | when, and where |
| `daemon` | `running` (it holds the home), `pid`, `started_at`, `linked` (the board answers), \
`planner_running`, `selected_bucket`, `faults` (numbers on the matrix); null: nobody says |
| `findings` | all of them, the worst first |
| `buckets` | by id: `status`, `ready`, `can_plan`, `config_version`, `config_in_force` (the file \
is what is in force), `prices_until`, `last_success`, `last_attempt`, `outcome` and `valid_until` \
of the latest plan, `modules` (each with status and message in the latest plan), `errors` and \
`warnings` (findings) |

A finding has `id`, `severity` (`info`, `warning`, `error`), `bucket_id`, `subject` (which security,
module or check), `what`, `action`, `since`, `fixable`, `fix` (a command that mends it by itself),
`blocks` (`nothing`; `press`: the button gives no plan; `plan`: no plan can be made at all) and
`fault` (the number on the matrix, see [display.md](display.md)).
"""

DATA_HEAD = """\
## What the data may be told of

These come from reading and judging the data, by the code that a plan is made with, and have the
same ids in a plan. Their text names file, line or security.

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
