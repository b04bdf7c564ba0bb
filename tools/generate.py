"""Generated files: written from the code, so that they cannot differ from it.

python tools/generate.py            write them
python tools/generate.py --check    fail, with the head of a diff, if one is stale
"""

from __future__ import annotations

import argparse
import difflib
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIFF_LINES_SHOWN = 20

# A pure function of the code: the same code gives the same text, on every machine.
Generator = Callable[[], str]
Painter = Callable[[], bytes]


def display_markdown() -> str:
    """Return the legend of the display."""
    from tools.generators.display_doc import display_markdown

    return display_markdown()


def health_markdown() -> str:
    """Return the page of all health findings."""
    from tools.generators.health_doc import health_markdown

    return health_markdown()


def events_markdown() -> str:
    """Return the page of all event types."""
    from tools.generators.event_docs import events_markdown

    return events_markdown()


def modules_markdown() -> str:
    """Return the catalogue of the planner's modules."""
    from tools.generators.module_docs import modules_markdown

    return modules_markdown()


def api_markdown() -> str:
    """Return the page of the HTTP API."""
    from tools.generators.api_doc import api_markdown

    return api_markdown()


def plugin_api_markdown() -> str:
    """Return the page of the names that a plugin may use."""
    from tools.generators.plugin_api_doc import plugin_api_markdown

    return plugin_api_markdown()


def benchmarks_markdown() -> str:
    """Return the page of benchmark results."""
    from tools.generators.benchmarks_doc import benchmarks_markdown

    return benchmarks_markdown()


def protocol_markdown() -> str:
    """Return the page of the wire protocol."""
    from tools.generators.protocol_doc import protocol_markdown

    return protocol_markdown()


def _firmware(name: str) -> Generator:
    """Return the generator of a C file: the protocol's table, or the board's own pictures."""

    def text() -> str:
        from tools.generators import protocol_c

        written: str = getattr(protocol_c, name)()
        return written

    return text


def _schema_json(name: str) -> Generator:
    """Return the generator of the JSON Schema of a kind of TOML file."""

    def text() -> str:
        import json

        from host.home.config.schemas import SCHEMAS

        return json.dumps(SCHEMAS[name](), indent=2) + "\n"

    return text


def _config_template(name: str) -> Generator:
    """Return the generator of a commented file that `trader init` writes."""

    def text() -> str:
        from tools.generators import config_templates as config_template

        written: str = getattr(config_template, name)()
        return written

    return text


# Path below the root -> its generator. Each imports what it needs when it is called: a module that
# fails to import must not stop the other files.
GENERATED: dict[str, Generator] = {
    "configs/default_bucket.toml": _config_template("default_bucket"),
    "configs/demo/buckets/core.toml": _config_template("demo_core_bucket"),
    "configs/demo/buckets/satellite_a.toml": _config_template("demo_satellite_bucket"),
    "configs/home/README.txt": _config_template("home_readme"),
    "configs/home/schema/bucket.json": _schema_json("bucket"),
    "configs/home/schema/device.json": _schema_json("device"),
    "configs/home/schema/portfolio.json": _schema_json("portfolio"),
    "configs/home/device.toml": _config_template("device_template"),
    "docs/api.md": api_markdown,
    "docs/benchmarks.md": benchmarks_markdown,
    "docs/display.md": display_markdown,
    "docs/events.md": events_markdown,
    "docs/health.md": health_markdown,
    "docs/modules.md": modules_markdown,
    "docs/plugin-api.md": plugin_api_markdown,
    "firmware_bridge/PROTOCOL.md": protocol_markdown,
    "firmware_bridge/firmware/core/pictures.h": _firmware("pictures_header"),
    "firmware_bridge/firmware/core/protocol.c": _firmware("protocol_source"),
    "firmware_bridge/firmware/core/protocol.h": _firmware("protocol_header"),
}


def pictures() -> dict[str, Painter]:
    """Return the function that draws each generated PNG, by its path below the root."""
    from tools.generators.display_doc import display_pictures

    return display_pictures()


# Machines round a glow differently, and compress the same pixels to different bytes.
PIXEL_TOLERANCE = 2


def diff_head(path: str, on_disk: str, expected: str) -> str:
    """Return the first lines of the difference."""
    lines = list(
        difflib.unified_diff(
            on_disk.splitlines(),
            expected.splitlines(),
            f"{path} (on disk)",
            "(expected)",
            lineterm="",
        )
    )
    more = len(lines) - DIFF_LINES_SHOWN
    tail = [f"... {more} more lines"] if more > 0 else []
    return "\n".join([*lines[:DIFF_LINES_SHOWN], *tail])


def stale(root: Path, generated: Mapping[str, Generator]) -> dict[str, str]:
    """Return the files that differ from the code, each with the head of its diff."""
    stale_files: dict[str, str] = {}
    for name, generate in generated.items():
        path, expected = root / name, generate()
        if not path.is_file():
            stale_files[name] = f"{name} is missing"
        elif path.read_bytes() != expected.encode():
            text = path.read_text(encoding="utf-8", errors="replace")
            stale_files[name] = diff_head(name, text, expected)
    return stale_files


def stale_pictures(root: Path, painters: Mapping[str, Painter]) -> dict[str, str]:
    """Return the PNGs that differ from the code, and those that no code draws any more."""
    stale_files: dict[str, str] = {}
    for name, paint in painters.items():
        path = root / name
        if not path.is_file():
            stale_files[name] = f"{name} is missing"
        elif not same_picture(path.read_bytes(), paint()):
            stale_files[name] = f"{name} differs from what the code draws"
    for folder in {(root / name).parent for name in painters}:
        for path in sorted(folder.glob("*.png")):
            name = path.relative_to(root).as_posix()
            if name not in painters:
                stale_files[name] = f"{name} is drawn by no code; delete it"
    return stale_files


def same_picture(on_disk: bytes, drawn: bytes) -> bool:
    """Return whether two PNGs of ours look the same."""
    if on_disk == drawn:
        return True
    import numpy as np

    (disk_size, disk_pixels), (drawn_size, drawn_pixels) = map(picture_lines, (on_disk, drawn))
    if disk_size != drawn_size or len(disk_pixels) != len(drawn_pixels):
        return False
    levels = [np.frombuffer(data, np.uint8).astype(int) for data in (disk_pixels, drawn_pixels)]
    return int(abs(levels[0] - levels[1]).max()) <= PIXEL_TOLERANCE


def picture_lines(png: bytes) -> tuple[bytes, bytes]:
    """The header and the unpacked lines of a PNG; empty if it is not one."""
    at, header, packed = 8, b"", b""
    while at + 8 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        header = data if kind == b"IHDR" else header
        packed += data if kind == b"IDAT" else b""
        at += 12 + length
    try:
        return header, zlib.decompress(packed)
    except zlib.error:
        return b"", b""


def write_pictures(root: Path, painters: Mapping[str, Painter]) -> list[str]:
    """Draw stale pictures, and delete those that no code draws."""
    names = list(stale_pictures(root, painters))
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in painters:
            path.write_bytes(painters[name]())
        else:
            path.unlink()
    return names


def write(root: Path, generated: Mapping[str, Generator]) -> list[str]:
    """Write what is stale, and nothing else: an untouched file keeps its time."""
    names = list(stale(root, generated))
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generated[name]().encode())
    return names


def main(
    arguments: list[str] | None = None,
    root: Path = ROOT,
    generated: Mapping[str, Generator] = GENERATED,
    painters: Mapping[str, Painter] | None = None,
) -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, fail if one is stale")
    options = parser.parse_args(arguments)
    if painters is None:
        painters = pictures() if generated is GENERATED else {}
    if not options.check:
        for name in [*write(root, generated), *write_pictures(root, painters)]:
            print(f"wrote {name}")
        return 0
    differences = stale(root, generated) | stale_pictures(root, painters)
    for difference in differences.values():
        print(difference)
    if differences:
        print(f"stale: {', '.join(differences)}; run: python tools/generate.py")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
