"""Editors and the shipped files: each file names its schema, and linters see mistakes."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from host.home.config.schemas import SCHEMAS
from host.home.home import create_home
from host.home.storage.toml_file import read_toml

CONFIGS = Path(__file__).parents[2] / "configs"
BIN = Path(sys.executable).parent
LINTERS = {
    "taplo": ("lint", "--no-auto-config"),
    "tombi": ("lint", "--offline", "--no-cache"),
}
MISTAKES = {
    "buckets/core.toml": "max_plan_depth = 99\n",
    "device.toml": "[display]\nbrightness = 16\n",
    "portfolios/core.toml": 'base_currency = "USD"\n[securities.A]\ncurrency = "USD"\ncapp = 1\n',
    "presets/low-turnover.toml": "[costs]\nfixed_cots = 1\n",
}


@pytest.fixture(scope="module", params=["own", "demo"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `trader init` writes it, with the shipped presets where a user's own are."""
    path = tmp_path_factory.mktemp(request.param)
    create_home(path, demo=request.param == "demo")
    shutil.copytree(CONFIGS / "presets", path / "presets")
    return path


def lint(linter: str, file: Path) -> subprocess.CompletedProcess[str]:
    program = BIN / linter
    assert program.exists(), f"{linter}: `make setup` installs it"
    return subprocess.run(
        [str(program), *LINTERS[linter], file.name],
        cwd=file.parent,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def schema_named_in(file: Path) -> dict[str, Any]:
    first, _, _ = file.read_text(encoding="utf-8").partition("\n")
    assert first.startswith("#:schema "), file
    path = file.parent / first.removeprefix("#:schema ")
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema


def as_json(value: object) -> object:
    """Return what a TOML file holds as JSON Schema sees it: a day is a text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def test_every_shipped_file_names_a_schema_that_it_fits(root: Path) -> None:
    files = sorted(root.rglob("*.toml"))
    assert len(files) >= 9
    for file in files:
        schema = schema_named_in(file)
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.Draft7Validator(schema).validate(as_json(read_toml(file).mapping))


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_of_editors_find_nothing_in_a_shipped_file(root: Path, linter: str) -> None:
    for file in sorted(root.rglob("*.toml")):
        linted = lint(linter, file)
        assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("linter", LINTERS)
@pytest.mark.parametrize("name", MISTAKES)
def test_the_linters_of_editors_find_a_mistake(root: Path, name: str, linter: str) -> None:
    original = root / name
    first, _, _ = original.read_text(encoding="utf-8").partition("\n")
    wrong = original.with_name("wrong.toml")
    wrong.write_text(f"{first}\n{MISTAKES[name]}", encoding="utf-8")
    try:
        assert not jsonschema.Draft7Validator(schema_named_in(wrong)).is_valid(
            as_json(read_toml(wrong).mapping)
        )
        assert lint(linter, wrong).returncode != 0
    finally:
        wrong.unlink()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_points_nowhere_else(kind: str) -> None:
    text = json.dumps(SCHEMAS[kind]())
    assert "$ref" not in text
    assert json.loads((CONFIGS / "home" / "schema" / f"{kind}.json").read_text()) == SCHEMAS[kind]()
