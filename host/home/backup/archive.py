"""A backup as one file: a ZIP whose last entry lists every file with its size and SHA-256.

    home/portfolios/core.toml ...   the files
    MANIFEST.json                   format, time, secrets left out, and the list of files

It is written in one pass. A backup that is read may be damaged or hostile: names, counts and sizes
are checked before anything is unpacked, and unpacked files are compared with the list.
"""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final, Self

from host.errors import BackupError
from host.limits import (
    BACKUP_BYTES_MAX,
    BACKUP_FILE_BYTES_MAX,
    BACKUP_FILES_MAX,
    BACKUP_MANIFEST_BYTES_MAX,
    BACKUP_PATH_BYTES_MAX,
    BACKUP_PATH_PARTS_MAX,
    BACKUP_UNPACKED_BYTES_MAX,
)

FORMAT: Final = "arduino-trader-backup"
FORMAT_VERSION: Final = 1
PREFIX: Final = "home/"
MANIFEST_NAME: Final = "MANIFEST.json"
CHUNK_BYTES: Final = 1024 * 1024
NAME_BYTES_MAX: Final = 255
FILE_MODE: Final = (stat.S_IFREG | 0o600) << 16
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
END_RECORD: Final = struct.Struct("<4s4H2LH")
END_MARK: Final = b"PK\x05\x06"
ZIP64_MARK: Final = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES: Final = 20
COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
ENTRY_OVERHEAD: Final = 64
IS_ENCRYPTED: Final = 0x1
OTHER = "not a backup of this program"
DAMAGED = "damaged (take another backup)"

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""The library's errors for a file that is not a ZIP; the end record is checked before it."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file in a backup; `path` is relative to the home, with slashes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a backup.

    Parameters
    ----------
    created_at : str
        ISO time, UTC.
    files : tuple of SavedFile
    secrets_left_out : tuple of str
        Paths of secrets in the home that are not in the backup.
    """

    created_at: str
    files: tuple[SavedFile, ...]
    secrets_left_out: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(saved.size for saved in self.files)


def name_problem(path: str) -> str | None:
    """Return why a path cannot be in a backup; None when it can."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "a name that is not UTF-8"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "a path that leads outside"
    if "\\" in path or any(char < " " or char == "\x7f" for char in path):
        return "a backslash or control character in its name"
    if len(parts) > BACKUP_PATH_PARTS_MAX or len(encoded) > BACKUP_PATH_BYTES_MAX:
        return "a path that is too long"
    if any(len(part.encode()) > NAME_BYTES_MAX for part in parts):
        return "a name that is too long"
    return None


class ArchiveWriter:
    """Writer of a backup into an open file; use it within `with`, inside that of the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=False)
        self._files: list[SavedFile] = []
        self._size = 0

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the file, finished or not."""
        with suppress(*ZIP_ERRORS, OSError):
            self._zip.close()

    def add(self, path: str, chunks: Iterable[bytes]) -> None:
        """Add a file.

        Raises
        ------
        BackupError
            When it cannot be in a backup.
        """
        problem = name_problem(path)
        if problem is not None:
            raise BackupError(f"{path!r:.200}: {problem} (rename it)")
        if len(self._files) >= BACKUP_FILES_MAX:
            raise BackupError(f"more than {BACKUP_FILES_MAX:,} files (remove some)")
        digest, size = hashlib.sha256(), 0
        with self._zip.open(_entry(PREFIX + path), "w") as sink:
            for chunk in chunks:
                size += len(chunk)
                if size > BACKUP_FILE_BYTES_MAX:
                    raise BackupError(f"{path}: larger than {BACKUP_FILE_BYTES_MAX:,} bytes")
                if self._size + size > BACKUP_UNPACKED_BYTES_MAX:
                    raise BackupError(f"more than {BACKUP_UNPACKED_BYTES_MAX:,} bytes in all")
                digest.update(chunk)
                sink.write(chunk)
        self._size += size
        self._files.append(SavedFile(path, size, digest.hexdigest()))

    def finish(self, created_at: str, secrets_left_out: tuple[str, ...]) -> Manifest:
        """Add the manifest, and complete the file."""
        manifest = Manifest(created_at, tuple(self._files), secrets_left_out)
        record = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(manifest)}
        with self._zip.open(_entry(MANIFEST_NAME), "w") as sink:
            sink.write(json.dumps(record, indent=1).encode())
        self._zip.close()
        return manifest


class Archive:
    """A backup to read; constructing it checks everything but the content of the files.

    Parameters
    ----------
    file : binary file
    source : str
        Its name in messages.

    Raises
    ------
    BackupError
        When it is not a backup, damaged, hostile, or of a newer version.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self.source = source
        with self._library_errors():
            self._refuse_sizes(file)
            self._zip = zipfile.ZipFile(file)
            self._entries = self._checked_entries()
            self.manifest = self._checked_manifest()

    def check(self) -> None:
        """Read every file and compare it with the manifest."""
        for saved in self.manifest.files:
            self.unpack(saved, lambda _chunk: None)

    def unpack(self, saved: SavedFile, write: Callable[[bytes], object]) -> None:
        """Pass a file to `write` in pieces; a wrong file raises after the last piece.

        Raises
        ------
        BackupError
            When it differs from the manifest.
        """
        digest = hashlib.sha256()
        size = 0
        with self._library_errors(), self._zip.open(self._entries[saved.path]) as stream:
            while chunk := stream.read(CHUNK_BYTES):  # at most the size in the directory
                size += len(chunk)
                digest.update(chunk)
                write(chunk)
        if size != saved.size or digest.hexdigest() != saved.sha256:
            raise self._refused(f"{saved.path} differs from its manifest: {DAMAGED}")

    # --- checks ----------------------------------------------------------------------------

    def _refused(self, why: str) -> BackupError:
        return BackupError(f"{self.source}: {why}")

    @contextmanager
    def _library_errors(self) -> Iterator[None]:
        """Turn errors of the ZIP library into one line."""
        try:
            yield
        except ZIP_ERRORS as error:
            raise self._refused(f"{error}: {DAMAGED}") from None

    def _refuse_sizes(self, file: BinaryIO) -> None:
        """Check the end record, before the library reads a directory of any size into memory."""
        size = file.seek(0, 2)
        if size > BACKUP_BYTES_MAX:
            raise self._refused(f"larger than {BACKUP_BYTES_MAX:,} bytes: {OTHER}")
        if size < END_RECORD.size:
            raise self._refused(f"too short: {OTHER}, or cut off")
        file.seek(size - END_RECORD.size)
        mark, *_, n_entries, directory_size, _, comment = END_RECORD.unpack(
            file.read(END_RECORD.size)
        )
        file.seek(max(0, size - END_RECORD.size - ZIP64_LOCATOR_BYTES))
        if mark != END_MARK or comment or file.read(len(ZIP64_MARK)) == ZIP64_MARK:
            raise self._refused(f"its end is missing: {OTHER}, or cut off")
        if n_entries > BACKUP_FILES_MAX + 1:
            raise self._refused(f"more than {BACKUP_FILES_MAX:,} files: {OTHER}")
        longest = ENTRY_OVERHEAD + len(PREFIX) + BACKUP_PATH_BYTES_MAX
        if directory_size > (n_entries + 1) * longest:
            raise self._refused(f"a directory of {directory_size:,} bytes: {OTHER}")

    def _checked_entries(self) -> dict[str, zipfile.ZipInfo]:
        """Return the entries by path below the home; the manifest is under its own name."""
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.orig_filename
            path = name.removeprefix(PREFIX)
            kind = stat.S_IFMT(info.external_attr >> 16)
            problem = name_problem(path)
            if name != MANIFEST_NAME and not name.startswith(PREFIX):
                problem = "a name that is not in backups"
            elif kind not in {0, stat.S_IFREG}:
                problem = "a link or device"
            elif info.flag_bits & IS_ENCRYPTED or info.compress_type not in COMPRESSIONS:
                problem = "encrypted, or compressed in another way"
            elif info.file_size > BACKUP_FILE_BYTES_MAX:
                problem = f"larger than {BACKUP_FILE_BYTES_MAX:,} bytes"
            key = MANIFEST_NAME if name == MANIFEST_NAME else PREFIX + path
            if problem is None and key in entries:
                problem = "in it twice"
            if problem is not None:
                raise self._refused(f"{name!r:.200}: {problem}: {OTHER}")
            entries[key] = info
        if sum(info.file_size for info in entries.values()) > BACKUP_UNPACKED_BYTES_MAX:
            raise self._refused(f"more than {BACKUP_UNPACKED_BYTES_MAX:,} bytes in all: {OTHER}")
        if MANIFEST_NAME not in entries:
            raise self._refused(f"no {MANIFEST_NAME}: {OTHER}")
        return entries

    def _checked_manifest(self) -> Manifest:
        info = self._entries.pop(MANIFEST_NAME)
        if info.file_size > BACKUP_MANIFEST_BYTES_MAX:
            raise self._refused(f"a manifest of {info.file_size:,} bytes: {OTHER}")
        with self._zip.open(info) as stream:
            data = stream.read(BACKUP_MANIFEST_BYTES_MAX + 1)
        self._entries = {key.removeprefix(PREFIX): info for key, info in self._entries.items()}
        try:
            manifest = _manifest(json.loads(data))
        except (KeyError, TypeError, RecursionError):
            raise self._refused(f"the manifest is not a JSON list of files: {DAMAGED}") from None
        listed = [saved.path for saved in manifest.files]
        if sorted(listed) != sorted(self._entries):
            raise self._refused(f"the manifest lists other files than the backup has: {DAMAGED}")
        for saved in manifest.files:
            if self._entries[saved.path].file_size != saved.size:
                raise self._refused(f"{saved.path} is not as long as its manifest says: {DAMAGED}")
        folders = {"/".join(p.split("/")[:n]) for p in listed for n in range(1, p.count("/") + 1)}
        if both := folders & set(listed):
            raise self._refused(f"{min(both)!r:.200}: a file and a folder: {OTHER}")
        return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = FILE_MODE
    return info


def _manifest(record: Any) -> Manifest:  # noqa: ANN401 - any JSON
    if record["format"] != FORMAT:
        raise ValueError(f"format {record['format']!r:.60}")
    if record["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"format version {record['format_version']!r:.20}, but this program reads"
            f" {FORMAT_VERSION}: made by a newer version"
        )
    files = tuple(
        SavedFile(str(saved["path"]), int(saved["size"]), str(saved["sha256"]))
        for saved in record["files"]
    )
    secrets = tuple(str(path) for path in record["secrets_left_out"])
    return Manifest(str(record["created_at"]), files, secrets)
