"""What libFuzzer found: inputs that reach code which no shorter one reaches, one per line in hex.

    python -m tests.firmware_bridge.fuzz_corpus TARGET SECONDS

looks for more and keeps the smallest set that covers as much; it needs clang (`make soak` does).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from tools.build_firmware import FUZZ_TARGETS, build_fuzzer, seeds

FOLDER = Path(__file__).parent.parent / "corpora"
INPUT_BYTES_MAX = 512
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # no heap; leaks need ptrace


def found(target: str) -> list[bytes]:
    """Return the inputs that are kept for a target."""
    text = (FOLDER / f"{target}.hex").read_text(encoding="ascii")
    return [bytes.fromhex(line) for line in text.split()]


def write_inputs(target: str, folder: Path) -> list[Path]:
    """Write what is kept, and a script per golden vector, to files of their own."""
    inputs = {**seeds(), **{f"found_{number}": data for number, data in enumerate(found(target))}}
    for name, data in inputs.items():
        (folder / name).write_bytes(data)
    return sorted(folder / name for name in inputs)


def keep(target: str, seconds: int) -> int:
    """Look for more inputs, keep the smallest set of them; return how many those are."""
    with tempfile.TemporaryDirectory() as scratch:
        work, least = Path(scratch, "work"), Path(scratch, "least")
        work.mkdir()
        least.mkdir()
        write_inputs(target, work)
        fuzzer = build_fuzzer(target, Path(scratch, "fuzz"))
        limit = f"-max_len={INPUT_BYTES_MAX}"
        searching: list[str | Path] = [fuzzer, limit, f"-max_total_time={seconds}", work]
        merging: list[str | Path] = [fuzzer, limit, "-merge=1", least, work]
        for command in (searching, merging):
            subprocess.run(command, check=True, cwd=scratch, env=ENVIRONMENT)
        inputs = sorted((path.read_bytes() for path in least.iterdir()), key=lambda d: (len(d), d))
    FOLDER.mkdir(exist_ok=True)
    lines = [data.hex() for data in inputs if data]
    (FOLDER / f"{target}.hex").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return len(lines)


def main() -> None:
    """Look for inputs, as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=FUZZ_TARGETS)
    parser.add_argument("seconds", type=int)
    options = parser.parse_args()
    print(f"{keep(options.target, options.seconds)} inputs are kept")  # noqa: T201


if __name__ == "__main__":
    main()
