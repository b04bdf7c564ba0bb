"""Each import contract is kept here, and is seen to fail on every import that breaks it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise, permutations, product
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("configs", "firmware_bridge", "host", "planner_core")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in SETTINGS["contracts"]}
FORBIDDEN = {name: contract.get("forbidden_modules", []) for name, contract in CONTRACTS.items()}


def inside(container: str, name: str) -> str:
    """A module to plant an import in: the file itself, or a new one in the folder."""
    is_room = (ROOT / container.replace(".", "/") / name).is_dir()
    return f"{container}.{name}.planted" if is_room else f"{container}.{name}"


def forbidden_steps(contract: str) -> list[tuple[str, str]]:
    """One layer up, and across each layer."""
    (container,) = CONTRACTS[contract]["containers"]
    layers = [layer.split(" | ") for layer in CONTRACTS[contract]["layers"]]
    up = [step for over, under in pairwise(layers) for step in product(under, over)]
    across = [step for layer in layers for step in permutations(layer, 2)]
    return [(inside(container, a), f"{container}.{b}") for a, b in up + across]


# contract -> (module, what it may not import)
BREACHES = {
    "layers": [
        (f"{package}.planted", other)
        for package in ("configs", "firmware_bridge", "planner_core")
        for other in PACKAGES
        if other != package
    ],
    "pure-planner": [("planner_core.planted", name) for name in FORBIDDEN["pure-planner"]],
    "sans-io-link": [
        (pattern.replace("*", "firmware_bridge"), name)
        for pattern in CONTRACTS["sans-io-link"]["source_modules"]
        for name in FORBIDDEN["sans-io-link"]
    ],
    "product-alone": [
        (f"{package}.planted", name) for package in PACKAGES for name in FORBIDDEN["product-alone"]
    ],
    **{name: forbidden_steps(name) for name in CONTRACTS if name.endswith("-floors")},
}


def lint_imports(root: Path, contract: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--contract", contract],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        # The copy comes first on the path; a wide terminal keeps each finding on one line.
        env={"PYTHONPATH": str(root), "COLUMNS": "200"},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Our packages, to plant something in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return tmp_path


def plant(root: Path, module: str, imported: str) -> None:
    path = root / f"{module.replace('.', '/')}.py"
    with path.open("a") as file:
        file.write(f"\nimport {imported}\n")


def test_every_contract_has_planted_breaches() -> None:
    assert {*BREACHES, "no-circles"} == set(CONTRACTS)
    assert all(BREACHES.values())


@pytest.mark.parametrize("contract", BREACHES)
def test_a_contract_is_kept_and_names_every_import_that_breaks_it(
    contract: str, copy: Path
) -> None:
    clean = lint_imports(copy, contract)
    assert clean.returncode == 0, clean.stdout
    for module, imported in BREACHES[contract]:
        plant(copy, module, imported)
    broken = lint_imports(copy, contract)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    unseen = [
        f"{module} -> {imported}"
        for module, imported in BREACHES[contract]
        if f"{module} -> {imported} (l." not in broken.stdout
    ]
    assert unseen == [], broken.stdout


def test_a_circle_of_two_files_is_named_wherever_it_is(copy: Path) -> None:
    clean = lint_imports(copy, "no-circles")
    assert clean.returncode == 0, clean.stdout
    folders = [".".join(f.parent.relative_to(copy).parts) for f in copy.rglob("__init__.py")]
    for name in folders:
        plant(copy, f"{name}.hen", f"{name}.egg")
        plant(copy, f"{name}.egg", f"{name}.hen")
    broken = lint_imports(copy, "no-circles")
    assert broken.returncode == 1, broken.stdout + broken.stderr
    unseen = [name for name in folders if f"No cycles are allowed in {name}." not in broken.stdout]
    assert unseen == [], broken.stdout


@pytest.mark.parametrize("contract", [name for name in CONTRACTS if name.endswith("-floors")])
def test_a_file_without_a_floor_is_named(contract: str, copy: Path) -> None:
    (container,) = CONTRACTS[contract]["containers"]
    (copy / container.replace(".", "/") / "planted.py").write_text("")
    missing = lint_imports(copy, contract)
    assert missing.returncode == 1
    assert f"{container}.planted" in missing.stdout + missing.stderr
