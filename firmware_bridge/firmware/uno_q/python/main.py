"""The Linux part of the App Lab app: prints how to install the daemon.

It runs in a container with this app's folder, /dev and the router's socket, but without your home
directory. So it cannot read portfolios or configurations. The planner is therefore a daemon on the
board's Debian, outside of App Lab.
"""

from __future__ import annotations

import os
import time

SOCKET = os.environ.get("ARDUINO_ROUTER_SOCKET", "/var/run/arduino-router.sock")
EVERY_S = 600

INSTALL = f"""\
The sketch is on the board. The display shows a pulled plug until the daemon connects.

The daemon runs on this board's Debian, not in App Lab. Open a shell there (SSH, or adb shell). In a
checkout of arduino-trader, run:

    make setup
    .venv/bin/trader init
    .venv/bin/trader run --port {SOCKET}

Portfolios are in ~/.arduino-trader there; edit them with any editor.
"""


def main() -> None:
    """Print the text every 10 minutes: a console that is opened later must show it too."""
    while True:
        if not os.path.exists(SOCKET):  # noqa: PTH110 - this Python may be a small one
            print(f"No router at {SOCKET}: is arduino-router.service running?")
        print(INSTALL, flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
