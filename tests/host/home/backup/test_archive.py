"""A backup's file: what goes in comes out, and what is hostile or damaged is refused."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from host.errors import BackupError
from host.home.backup import archive
from host.home.backup.archive import MANIFEST_NAME, PREFIX, Archive, ArchiveWriter, name_problem

FILES = {"device.toml": b"# nothing\n", "market/prices.csv": b"date,A\n" * 500}
NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), min_size=1
).map("/".join)


def packed(files: dict[str, bytes], created_at: str = "2026-11-22T10:00:00+00:00") -> bytes:
    file = io.BytesIO()
    writer = ArchiveWriter(file)
    for name, data in files.items():
        writer.add(name, [data[:10], data[10:]])
    writer.finish(created_at, ("secrets/token",))
    return file.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    archive = Archive(io.BytesIO(data), "b.zip")
    files: dict[str, bytes] = {}
    for saved in archive.manifest.files:
        parts: list[bytes] = []
        archive.unpack(saved, parts.append)
        files[saved.path] = b"".join(parts)
    return files


def refusal(data: bytes) -> str:
    with pytest.raises(BackupError) as caught:
        Archive(io.BytesIO(data), "b.zip").check()
    message = str(caught.value)
    assert message.startswith("b.zip: ")
    assert "\n" not in message
    return message


def rewritten(change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> bytes:
    """Return an archive whose list or files were changed by one who knows the format."""
    with zipfile.ZipFile(io.BytesIO(packed(FILES))) as old:
        members = {name: old.read(name) for name in old.namelist()}
    record = json.loads(members.pop(MANIFEST_NAME))
    change(record, members)
    members[MANIFEST_NAME] = json.dumps(record).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return file.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=4))
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    assume(all(name_problem(name) is None for name in files))
    folders = {name[:at] for name in files for at, char in enumerate(name) if char == "/"}
    assume(not folders & set(files))
    assert unpacked(packed(files)) == files


def test_it_says_when_it_was_made_and_what_is_not_in_it() -> None:
    manifest = Archive(io.BytesIO(packed(FILES)), "b.zip").manifest
    assert manifest.created_at == "2026-11-22T10:00:00+00:00"
    assert manifest.secrets_left_out == ("secrets/token",)
    assert manifest.size == sum(map(len, FILES.values()))


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../../b", "a//b", "./a", "a\\b", "a\nb", "a/" * 20 + "a", "\ud800"]
)
def test_a_name_that_leads_elsewhere_is_neither_written_nor_read(name: str) -> None:
    with pytest.raises(BackupError, match="rename it"):
        ArchiveWriter(io.BytesIO()).add(name, [])
    assume_utf8 = name.encode("utf-8", "replace").decode()

    def add(record: dict[str, Any], members: dict[str, bytes]) -> None:
        members[PREFIX + assume_utf8] = b"x"
        record["files"].append({"path": assume_utf8, "size": 1, "sha256": "0" * 64})

    assert refusal(rewritten(add))


def member(data: bytes, change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """Return the archive with one more member that was changed before it was written."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as changed:
        info = zipfile.ZipInfo(PREFIX + "more")
        change(info)
        changed.writestr(info, b"/etc/passwd")
    return file.getvalue()


def link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def folder_outside(info: zipfile.ZipInfo) -> None:
    info.filename = "home/../../etc/cron.d/x"


def bzip2(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_BZIP2


def again(info: zipfile.ZipInfo) -> None:
    info.filename = PREFIX + "device.toml"


def elsewhere(info: zipfile.ZipInfo) -> None:
    info.filename = "bin/sh"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (link, "a link or device"),
        (folder_outside, "leads outside"),
        (bzip2, "compressed in another way"),
        (again, "in it twice"),
        (elsewhere, "a name that is not in backups"),
        (lambda _: None, "lists other files than the backup has"),
    ],
)
def test_a_member_that_is_not_in_backups_is_refused(
    change: Callable[[zipfile.ZipInfo], None], why: str
) -> None:
    assert why in refusal(member(packed(FILES), change))


def test_a_manifest_that_does_not_match_is_refused() -> None:
    def change_text(_: dict[str, Any], members: dict[str, bytes]) -> None:
        members[PREFIX + "device.toml"] = b"# nothinG\n"

    def longer(_: dict[str, Any], members: dict[str, bytes]) -> None:
        members[PREFIX + "device.toml"] += b"x"

    def both(record: dict[str, Any], members: dict[str, bytes]) -> None:
        members[PREFIX + "device.toml/x"] = b""
        record["files"].append({"path": "device.toml/x", "size": 0, "sha256": ""})

    def no_list(record: dict[str, Any], _: dict[str, bytes]) -> None:
        record["files"] = 3

    def newer(record: dict[str, Any], _: dict[str, bytes]) -> None:
        record["format_version"] = 2

    def other(record: dict[str, Any], _: dict[str, bytes]) -> None:
        record["format"] = "diary"

    assert "device.toml differs from its manifest" in refusal(rewritten(change_text))
    assert "not as long as" in refusal(rewritten(longer))
    assert "a file and a folder" in refusal(rewritten(both))
    assert "not a JSON list" in refusal(rewritten(no_list))
    assert "made by a newer version" in refusal(rewritten(newer))
    assert "diary" in refusal(rewritten(other))


def test_what_is_no_archive_or_was_cut_off_is_refused() -> None:
    whole = packed(FILES)
    assert "too short" in refusal(b"")
    assert "its end is missing" in refusal(b"x" * 100)
    for length in range(0, len(whole), 7):
        assert refusal(whole[:length])
    marked = whole[:-22] + b"PK\x06\x07" + bytes(16) + whole[-22:]
    assert "its end is missing" in refusal(marked)


def test_a_file_that_unpacks_to_more_than_it_says_is_stopped_there() -> None:
    def lie(record: dict[str, Any], members: dict[str, bytes]) -> None:
        members[PREFIX + "device.toml"] = bytes(10_000_000)
        record["files"][0]["size"] = 11

    declared, truth = (11).to_bytes(4, "little"), (10_000_000).to_bytes(4, "little")
    bomb = rewritten(lie)
    assert bomb.count(truth) == 2, "once before the data, once in the directory"
    chunks: list[bytes] = []
    archive = Archive(io.BytesIO(bomb.replace(truth, declared)), "b.zip")
    with pytest.raises(BackupError):
        archive.unpack(archive.manifest.files[0], chunks.append)
    assert sum(map(len, chunks)) <= 11


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("BACKUP_BYTES_MAX", 100, "larger than 100 bytes"),
        ("BACKUP_FILES_MAX", 0, "more than 0 files"),
        ("BACKUP_FILE_BYTES_MAX", 50, "larger than 50 bytes"),
        ("BACKUP_UNPACKED_BYTES_MAX", 60, "more than 60 bytes in all"),
        ("BACKUP_MANIFEST_BYTES_MAX", 10, "a manifest of"),
        ("BACKUP_PATH_BYTES_MAX", 5, "too long"),
        ("ENTRY_OVERHEAD", -400, "a directory of"),
    ],
)
def test_every_limit_holds_before_anything_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, why: str
) -> None:
    data = packed(FILES)
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(BackupError, match=why):
        Archive(io.BytesIO(data), "b.zip")


@pytest.mark.parametrize(
    ("limit", "value"),
    [("BACKUP_FILES_MAX", 1), ("BACKUP_FILE_BYTES_MAX", 50), ("BACKUP_UNPACKED_BYTES_MAX", 60)],
)
def test_the_writer_holds_the_limits_of_the_reader(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(BackupError, match=r"more than|larger than"):
        packed(FILES)


SMALL = packed({"a/b": b"one\n", "c": b"two\n"})


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=4))
def test_bytes_that_changed_are_noticed_or_did_not_matter(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    try:
        files = unpacked(bytes(data))
    except (BackupError, OSError):
        return
    assert files == {"a/b": b"one\n", "c": b"two\n"}
