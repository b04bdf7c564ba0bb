"""Run a command and print its exit code, seconds and peak memory in KiB.

Linux hands a parent's peak memory on to its child through fork and exec: a benchmark that has
loaded numpy would see numpy in every child. So this launcher stands between, and imports nothing:
it is smaller than any Python program that it starts.
"""

import os
import sys
import time


def main() -> None:
    """Start, wait, report; what the command prints goes to stderr, apart from the report."""
    command = sys.argv[1:]
    begin = time.perf_counter()
    child = os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
    )
    _, status, usage = os.wait4(child, 0)
    elapsed_s = time.perf_counter() - begin
    print(os.waitstatus_to_exitcode(status), elapsed_s, usage.ru_maxrss)


if __name__ == "__main__":
    main()
