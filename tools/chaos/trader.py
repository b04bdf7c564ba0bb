"""`trader`, whose planner is `worker.py`: called as `trader.py ORDER trader-arguments`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from host.appliance import daemon as daemon_module
from host.cli import main as cli

WORKER = str(Path(__file__).with_name("worker.py"))


def with_worker(order: str) -> None:
    """Make the daemon start the chaotic planner's process."""

    class WithWorker(daemon_module.Daemon):
        def __init__(self, home: Any, config: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
            memory = ("--memory-mb", str(config.limits.plan_memory_mb))
            command = (sys.executable, WORKER, order, "--home", str(home.root), *memory)
            super().__init__(home, config, *args, worker_command=command, **kwargs)

    daemon_module.Daemon = WithWorker  # type: ignore[misc] # a class in place of its base


if __name__ == "__main__":
    with_worker(sys.argv[1])
    sys.exit(cli.main(sys.argv[2:]))
