"""Generated files: written when stale, named when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.render import encode_png
from tools import generate


def test_the_generated_files_of_this_repository_are_up_to_date() -> None:
    assert generate.stale(generate.ROOT, generate.GENERATED) == {}


def test_a_missing_file_is_written_with_its_folders_and_then_is_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"docs/a.md": lambda: "hello\n"}
    assert generate.main(["--check"], tmp_path, table) == 1
    assert "docs/a.md is missing" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists()
    assert generate.main([], tmp_path, table) == 0
    assert (tmp_path / "docs/a.md").read_text() == "hello\n"
    assert generate.main(["--check"], tmp_path, table) == 0


def test_a_stale_file_is_named_with_the_head_of_its_diff_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("".join(f"old {i}\n" for i in range(100)))
    assert generate.main(["--check"], tmp_path, {"a.md": lambda: "new\n"}) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "--- a.md (on disk)"
    assert lines[-1] == "stale: a.md; run: python tools/generate.py"
    assert len(lines) == generate.DIFF_LINES_SHOWN + 2
    assert (tmp_path / "a.md").read_text().startswith("old 0")


def test_an_up_to_date_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("same\n")
    before = path.stat().st_mtime_ns
    assert generate.write(tmp_path, {"a.md": lambda: "same\n"}) == []
    assert path.stat().st_mtime_ns == before


def test_line_ends_count_so_a_check_out_that_changed_them_is_stale(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"same\r\n")
    assert list(generate.stale(tmp_path, {"a.md": lambda: "same\n"})) == ["a.md"]


def test_the_generated_pictures_of_this_repository_are_up_to_date() -> None:
    assert generate.stale_pictures(generate.ROOT, generate.pictures()) == {}


def picture(level: int, size: int = 4) -> bytes:
    return encode_png(np.full((size, size, 3), level, np.uint8))


def test_a_picture_is_written_when_missing_or_different_and_deleted_when_nobody_draws_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/old.png").write_bytes(picture(1))
    painters = {"docs/new.png": lambda: picture(100)}
    assert generate.main(["--check"], tmp_path, {}, painters) == 1
    assert generate.main([], tmp_path, {}, painters) == 0
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["new.png"]
    assert generate.main(["--check"], tmp_path, {}, painters) == 0


@pytest.mark.parametrize(
    ("on_disk", "same"),
    [
        (picture(102), True),
        (picture(103), False),
        (picture(100, size=5), False),
        (b"", False),
        (picture(100)[:50], False),
        (b"not a picture at all, but long enough to be read as one", False),
    ],
    ids=["rounded", "another", "larger", "empty", "torn", "text"],
)
def test_pictures_are_compared_by_what_the_eye_sees(on_disk: bytes, *, same: bool) -> None:
    assert generate.same_picture(on_disk, picture(100)) is same
