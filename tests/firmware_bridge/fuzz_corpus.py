"""libFuzzer's inputs: each reaches code that no shorter one reaches, one per line in hex.

    python -m tests.firmware_bridge.fuzz_corpus TARGET SECONDS

looks for more and keeps the smallest set that covers as much; it needs clang (`make soak` does).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import msgpack  # type: ignore[import-untyped]

from firmware_bridge.messages import Hello
from firmware_bridge.wire import Packet, seal
from tools.build_firmware import FUZZ_TARGETS, build_fuzzer
from tools.generators.vectors import vectors

FOLDER = Path(__file__).parent.parent / "corpora"
INPUT_BYTES_MAX = 512
RAW_MAX = 122  # of what a target takes at once
LONG_CALLS = (123, 124, 125, 150, 151, 152, 153, 170, 190, 240, 255)
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # no heap; leaks need ptrace


def script(line: bytes) -> bytes:
    """Return an input in which these bytes come to a board with a session and a press waiting.

    A script is pairs of what and how much: 0 raw bytes, 2 a packet that arrives whole, 5 a pin,
    6 time, 7 a reset.
    """
    hello = seal(Packet.carrying(Hello(7, 1, 1), 1))[:-2]
    greeting = bytes((2, len(hello))) + hello
    press = bytes((5, 0x80, 6, 1, 6, 9, 5, 0x00, 6, 9, 6, 200))
    pieces = [line[at : at + RAW_MAX] for at in range(0, len(line), RAW_MAX)]
    raw = b"".join(bytes((0, len(piece))) + piece for piece in pieces)
    return greeting + press + raw + bytes((6, 255, 7, 0))


def seeds() -> dict[str, bytes]:
    """Return where fuzzing starts; these follow messages.py, and cannot grow stale as others may.

    They are the golden vectors, and calls through the router around the longest that is taken.
    """
    lines = {name: vector.wire for name, vector in vectors().items()}
    for size in LONG_CALLS:
        lines[f"call_{size}"] = msgpack.packb([0, 5, "pd", [bytes(size)]]) + b"\x94"
    return {name: script(line) for name, line in lines.items()}


def corpus_of(target: str) -> list[bytes]:
    """Return the inputs that are kept for a target."""
    text = (FOLDER / f"{target}.hex").read_text(encoding="ascii")
    return [bytes.fromhex(line) for line in text.split()]


def write_inputs(target: str, folder: Path) -> list[Path]:
    """Write what is kept, and a script per golden vector, to files of their own."""
    inputs = {
        **seeds(),
        **{f"found_{number}": data for number, data in enumerate(corpus_of(target))},
    }
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
