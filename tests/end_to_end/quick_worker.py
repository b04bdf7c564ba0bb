"""A worker that sends a fixed plan: `quick_worker.py PLAN_S --home DIR`.

It has the protocol of the worker, answers after PLAN_S seconds, and needs no numpy. So a test of
presses can start and kill a hundred daemons.
"""

from __future__ import annotations

import json
import os
import select
import sys
from datetime import UTC, datetime


def send(kind: str, content: object) -> None:
    sys.stdout.write(json.dumps({kind: content}) + "\n")
    sys.stdout.flush()


def plan(trace_id: str, bucket_id: str) -> dict[str, object]:
    steps = [{"side": "buy", "security": "AAA", "quantity": 1.0, "value": 100.0, "cost": 2.0}]
    return {
        "outcome": "PLANNED",
        "bucket_id": bucket_id,
        "trace_id": trace_id,
        "as_of": "2022-12-28",
        "currency": "USD",
        "score": {"before": 0.0, "after": 0.01, "gain": 0.01},
        "steps": steps,
        "modules": [],
    }


def main() -> None:
    plan_s = float(sys.argv[1])
    send("ready", {"pid": os.getpid()})
    send("warm", {"elapsed_s": 0.0})
    # Unbuffered, because `select` does not see what is in a buffer.
    for line in os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False):
        request = json.loads(line)
        if request["do"] != "plan":
            continue
        trace_id, bucket_id = request["trace_id"], request["bucket_id"]
        stage = {"stage": "search", "elapsed_s": plan_s}
        send("event", {"event_type": "StageCompleted", "trace_id": trace_id, "data": stage})
        if select.select([sys.stdin], [], [], plan_s)[0]:  # a cancel, or the daemon's end
            send("failed", {"trace_id": trace_id, "code": "cancelled", "lines": ["cancelled"]})
            continue
        created_at = datetime.now(UTC).isoformat()
        envelope = {"trace_id": trace_id, "created_at": created_at, "elapsed_s": plan_s}
        send("planned", {**envelope, "plan": plan(trace_id, bucket_id)})


if __name__ == "__main__":
    main()
