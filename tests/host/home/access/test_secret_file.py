"""Files of secrets are for their owner only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.home.access.secret_file import (
    SecretFileError,
    exposure_problem,
    read_secret,
    read_secret_record,
    write_secret_record,
)

BYTES_MAX = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "tokens.json"


def test_a_record_comes_back_and_only_its_owner_may_read_it(path: Path) -> None:
    write_secret_record(path, {"tokens": []})
    assert read_secret_record(path, BYTES_MAX) == {"schema_version": 1, "tokens": []}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_missing_file_is_no_error(path: Path) -> None:
    assert read_secret(path, BYTES_MAX) is None
    assert exposure_problem(path) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_file_that_others_can_use_is_refused_with_the_cure(path: Path, mode: int) -> None:
    write_secret_record(path, {})
    path.chmod(mode)
    with pytest.raises(SecretFileError, match=f"run: chmod 600 {path}"):
        read_secret_record(path, BYTES_MAX)
    assert exposure_problem(path) is not None


def test_a_folder_in_which_others_can_replace_files_is_refused(path: Path) -> None:
    write_secret_record(path, {})
    path.parent.chmod(0o770)
    with pytest.raises(SecretFileError, match="chmod 700"):
        read_secret_record(path, BYTES_MAX)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    write_secret_record(path, {})
    os.chown(path, 65534, -1)
    with pytest.raises(SecretFileError, match="belongs to user 65534"):
        read_secret_record(path, BYTES_MAX)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema_version": 2}', b"\xff", b"[" * 900]
)
def test_damaged_content_is_refused_and_not_quoted(path: Path, content: bytes) -> None:
    write_secret_record(path, {})
    path.write_bytes(content)
    with pytest.raises(SecretFileError, match=f"^{path}: damaged"):
        read_secret_record(path, BYTES_MAX)


def test_a_large_file_is_refused(path: Path) -> None:
    write_secret_record(path, {"x": "y" * BYTES_MAX})
    with pytest.raises(SecretFileError, match="larger than 1,000 bytes"):
        read_secret_record(path, BYTES_MAX)


def test_a_pipe_in_its_place_never_blocks(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(SecretFileError, match="not a regular file"):
        read_secret(path, BYTES_MAX)
