"""Fuzz the loading of configurations: any bytes are either loaded or refused.

python tools/fuzz/loader.py --seconds 60 [--save]

Coverage-guided (atheris), starting from the corpus in tests/; `--save` adds new inputs to it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as a script, this file sees only its own folder

CORPUS: Final = ROOT / "tests" / "host" / "home" / "config" / "corpus.json"
CORPUS_BYTES_MAX: Final = 60_000
LENGTH_MAX: Final = 2_000
SOURCE: Final = "core.toml"
LINE = re.compile(r"core\.toml(:\d+:\d+)?: \S.*")
FUZZED: Final = (
    "host.home.config",
    "host.home.storage.problems",
    "host.home.storage.toml_file",
    "planner_core.model.config",
    "planner_core.config_api.config_loading",
)


def check(data: bytes) -> str:
    """Load bytes as a bucket's file; raise AssertionError if the result is neither.

    Returns
    -------
    str
        `refused` or `loaded`.
    """
    from host.home.config.effective_toml import effective_toml
    from host.home.config.load import check_document
    from host.home.storage.toml_file import ConfigFileError, parse_bytes, parse_toml

    try:
        document = parse_bytes(data, SOURCE)
        config = check_document(document)
    except ConfigFileError as error:
        n_lines = data.count(b"\n") + 1
        for problem in error.problems:
            line = str(problem)
            assert LINE.fullmatch(line), line
            assert line.isprintable(), line
            assert 1 <= (problem.line or 1) <= n_lines, line
            assert all(shown.isprintable() for shown in problem.explained().split("\n")), line
        return "refused"
    written = effective_toml(config)
    assert check_document(parse_toml(written, "again.toml")) == config, written
    return "loaded"


def seeds() -> list[bytes]:
    """Return the first inputs: the corpus, the presets, and every section with all its keys."""
    from tools.generators.config_templates import default_bucket

    presets = [path.read_bytes() for path in sorted((ROOT / "configs" / "presets").glob("*.toml"))]
    settings = re.sub(r"(?m)^#(?! |:)|^# .*\n", "", default_bucket())
    sections = [text.encode()[:LENGTH_MAX] for text in re.split(r"(?m)^(?=\[)", settings)]
    return [*corpus(), *presets, *sections]


def words() -> list[str]:
    """Return a dictionary for the fuzzer: every key, and the tokens of TOML."""
    from planner_core.config_api.config_schema import config_schema

    def keys(schema: object) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
        return own.union(*map(keys, schema.values()))

    marks = ["[[", "]]", '"""', "'''", " = ", "\\u", "{ ", " }", "true", "nan", "1e9", "0x", "\n"]
    return sorted(keys(config_schema())) + marks


def corpus() -> list[bytes]:
    """Return the saved inputs of earlier runs."""
    return [text.encode("latin-1") for text in json.loads(CORPUS.read_text(encoding="utf-8"))]


def save(inputs: list[bytes]) -> int:
    """Save the shortest inputs until the corpus is full; return their number."""
    saved, size = [], 0
    for data in sorted({*inputs}, key=lambda data: (len(data), data)):
        size += len(data)
        if size > CORPUS_BYTES_MAX:
            break
        saved.append(data.decode("latin-1"))
    CORPUS.write_text(json.dumps(saved, indent=0) + "\n", encoding="utf-8")
    return len(saved)


def run(seconds: int, folder: Path) -> int:
    """Fuzz in a process of its own, from and into a folder; return its exit code."""
    command = [sys.executable, __file__, "--inside", str(folder), "--seconds", str(seconds)]
    return subprocess.run(command, check=False, cwd=folder.parent).returncode


def fuzz(seconds: int, folder: Path) -> None:
    """Fuzz in this process, and end it."""
    import atheris  # type: ignore[import-untyped,unused-ignore]

    dictionary = folder.parent / "words"
    lines = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in words())
    dictionary.write_text("".join(f'"{line}"\n' for line in lines), encoding="ascii")
    with atheris.instrument_imports(include=list(FUZZED)):
        check(b"max_plan_depth = 3\n")  # imports all there is
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", f"-max_len={LENGTH_MAX}", "-timeout=20",
         f"-dict={dictionary}",
         "-rss_limit_mb=1024", "-verbosity=0", f"-artifact_prefix={folder.parent}/", str(folder)],
        check,
    )  # fmt: skip
    atheris.Fuzz()


def minimised(folder: Path) -> list[bytes]:
    """Return the files of a folder: libFuzzer keeps only inputs that add coverage."""
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]


def main() -> int:
    """Fuzz, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        fuzz(options.seconds, options.inside)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "corpus"
        folder.mkdir()
        for number, data in enumerate(seeds()):
            (folder / f"{number:05d}").write_bytes(data)
        code = run(options.seconds, folder)
        inputs = minimised(folder)
        print(f"{len(inputs)} inputs reach the whole coverage; exit code {code}")
        if options.save:
            print(f"{save(inputs)} saved in {CORPUS.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
