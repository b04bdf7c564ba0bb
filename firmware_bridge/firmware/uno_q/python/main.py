"""The Linux part of the App Lab app: says where the daemon is, and how to install it.

It runs in a container that sees this app's folder, /dev and the router's socket, but no home
directory: your portfolios are out of its sight, and edits over SSH would be too. So the planner is
a daemon on the board's Debian, outside of App Lab, and this program only looks for it.
"""

from __future__ import annotations

import os
import time

SOCKET = os.environ.get("ARDUINO_ROUTER_SOCKET", "/var/run/arduino-router.sock")
EVERY_S = 600

INSTALL = f"""\
The sketch is on the board: it shows a broken link until the daemon greets it.

The daemon runs on this board's Debian, not in App Lab. Open a shell there (SSH, or adb shell), and
in a checkout of arduino-trader:

    make setup
    .venv/bin/trader init
    .venv/bin/trader run --port {SOCKET}

Portfolios are in ~/.arduino-trader there; edit them with any editor.
"""


def main() -> None:
    """Say it, and again from time to time: App Lab's console begins wherever it is opened."""
    while True:
        if not os.path.exists(SOCKET):  # noqa: PTH110 - this Python may be a small one
            print(f"There is no router at {SOCKET}: is arduino-router.service running?")
        print(INSTALL, flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
