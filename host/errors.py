"""The host's errors, under one root, each with a stable `code` for machines.

Those that refuse a file and name the places are in `files/problems.py`.
"""

from __future__ import annotations


class HostError(Exception):
    """Root of the host's errors.

    `code` names the kind of failure and never changes; the message is for people.
    """

    code = "host"

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as lines to print."""
        return tuple(str(self).splitlines()) or (type(self).__name__,)


class StorageError(HostError):
    """The disk did not do what was asked: full, read-only, in the way, failing."""

    code = "storage"


class HomeError(HostError):
    """There is no home there, or no such bucket in it: the command was given a wrong name."""

    code = "home"


class HistoryError(HostError):
    """There is no such version, or none that can be read."""

    code = "history"


class LostUpdateError(HostError):
    """Somebody else changed the configuration meanwhile; writing would undo that unseen."""

    code = "lost_update"


class BackupError(HostError):
    """A backup cannot be made, or the file that is to be restored is none, damaged or hostile."""

    code = "backup"
