"""The home: the folder with all files of a user, `~/.arduino-trader` by default; and making one."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from host.errors import HomeError, NoBucketError
from host.home.storage.atomic_file import make_folder, write_atomic, write_new
from host.limits import BUCKET_ID

HOME_VARIABLE = "ARDUINO_TRADER_HOME"
DEFAULT_HOME = "~/.arduino-trader"
PORTFOLIO_SUFFIX = ".toml"
LEDGER_SUFFIX = ".trades.csv"
DEMO_MARK = "PROVENANCE.md"
"""Names the source of the demo data; a home with this file is a demo."""
DEFAULT_BUCKET = "core"
PACKED_SUFFIX = ".gz"
SCHEMA_FOLDER = "schema/"
HOME_MARKS = frozenset({"buckets", "portfolios", "device.toml"})
"""A folder with one of these is a home."""
DAEMON_FOLDERS = frozenset({"history", "journal", "log", "plans", "secrets", "state"})
"""The daemon can make these before there is a home, with `trader run --wait`."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the root; constructing it does not touch the disk."""

    root: Path

    @classmethod
    def locate(cls, option: str | None, environ: Mapping[str, str]) -> Home:
        """Return the home of `--home`, else of the environment, else the default one."""
        return cls(Path(option or environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser())

    @property
    def is_demo(self) -> bool:
        """True in a home with the demo data."""
        return (self.root / DEMO_MARK).is_file()

    @property
    def device_file(self) -> Path:
        """Settings of the board: link, display, buttons."""
        return self.root / "device.toml"

    @property
    def buckets_dir(self) -> Path:
        """One planner configuration per bucket."""
        return self.root / "buckets"

    @property
    def portfolios_dir(self) -> Path:
        """One portfolio and one ledger per bucket."""
        return self.root / "portfolios"

    @property
    def market_dir(self) -> Path:
        """Prices, rates, splits; shared by all buckets."""
        return self.root / "market"

    @property
    def prices_file(self) -> Path:
        """Closes: days by securities."""
        return self.market_dir / "prices.csv"

    @property
    def fx_file(self) -> Path:
        """Exchange rates, base units per 1 unit of a currency: days by currencies."""
        return self.market_dir / "fx.csv"

    @property
    def corporate_actions_file(self) -> Path:
        """Splits."""
        return self.market_dir / "corporate_actions.csv"

    @property
    def accepted_moves_file(self) -> Path:
        """Moves of prices and rates that the owner confirmed; written by `trader data accept`."""
        return self.market_dir / "accepted_moves.csv"

    @property
    def presets_dir(self) -> Path:
        """Named configurations."""
        return self.root / "presets"

    @property
    def plugins_dir(self) -> Path:
        """Modules of the planner that the owner adds."""
        return self.root / "plugins"

    @property
    def journal_dir(self) -> Path:
        """The audit trail."""
        return self.root / "journal"

    @property
    def log_dir(self) -> Path:
        """Log files."""
        return self.root / "log"

    @property
    def state_dir(self) -> Path:
        """State of the daemon and of the commands."""
        return self.root / "state"

    @property
    def secrets_dir(self) -> Path:
        """Tokens and key of the HTTP API; a backup leaves them out."""
        return self.root / "secrets"

    def bucket_file(self, bucket_id: str) -> Path:
        """Return the planner configuration of a bucket."""
        return self.buckets_dir / f"{check_bucket_id(bucket_id)}.toml"

    def portfolio_file(self, bucket_id: str) -> Path:
        """Return the portfolio of a bucket."""
        return self.portfolios_dir / f"{check_bucket_id(bucket_id)}{PORTFOLIO_SUFFIX}"

    def ledger_file(self, bucket_id: str) -> Path:
        """Return the ledger of trades of a bucket."""
        return self.portfolios_dir / f"{check_bucket_id(bucket_id)}{LEDGER_SUFFIX}"

    def plans_dir(self, bucket_id: str) -> Path:
        """Return the folder of a bucket's plans."""
        return self.root / "plans" / check_bucket_id(bucket_id)

    def advice_file(self, bucket_id: str) -> Path:
        """Return the file of a bucket's refused steps and dismissed plans."""
        return self.state_dir / "advice" / f"{check_bucket_id(bucket_id)}.json"

    def config_history_dir(self, bucket_id: str) -> Path:
        """Return the folder of the versions of a bucket's configuration."""
        return self.root / "history" / "config" / check_bucket_id(bucket_id)

    def bucket_ids(self) -> tuple[str, ...]:
        """Return the buckets that have a portfolio, sorted; none when they cannot be listed."""
        try:
            return self._bucket_ids()
        except OSError:
            return ()

    def require_bucket_ids(self) -> tuple[str, ...]:
        """Return the buckets that have a portfolio, sorted; there may be none.

        Raises
        ------
        HomeError
            When there is no home, or when it cannot be read.
        """
        self.require_home()
        try:
            return self._bucket_ids()
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise _unreadable(self.portfolios_dir, error) from error

    def _bucket_ids(self) -> tuple[str, ...]:
        names = [path.name for path in self.portfolios_dir.iterdir() if path.is_file()]
        stems = [name.removesuffix(PORTFOLIO_SUFFIX) for name in names if name.endswith(".toml")]
        return tuple(sorted(stem for stem in stems if BUCKET_ID.fullmatch(stem)))

    def require_home(self) -> None:
        """Check that there is a home.

        Raises
        ------
        HomeError
            With the command that makes one.
        """
        try:
            next(self.root.iterdir(), None)  # raises when it cannot be read
        except FileNotFoundError:
            raise HomeError(
                f"{self.root}: no trader home found here (run: trader init --home {self.root}; add"
                " --demo for sample data)"
            ) from None
        except NotADirectoryError:
            message = f"{self.root}: is not a folder (choose another home with --home)"
            raise HomeError(message) from None
        except OSError as error:
            raise _unreadable(self.root, error) from error

    def require_bucket(self, bucket_id: str) -> None:
        """Check that there is a home and the bucket in it.

        Raises
        ------
        HomeError
            With the existing buckets, or how to make a home.
        """
        check_bucket_id(bucket_id)
        bucket_ids = self.require_bucket_ids()
        if bucket_id not in bucket_ids:
            existing = ", ".join(bucket_ids) or "none"
            raise NoBucketError(
                f"{self.root}: there is no bucket {bucket_id!r} (buckets: {existing}; a new one"
                f" needs portfolios/{bucket_id}.toml)"
            )


def _unreadable(path: Path, error: OSError) -> HomeError:
    why = (error.strerror or str(error)).lower()
    return HomeError(f"{path}: cannot be read: {why} (check its owner and permissions)")


def check_bucket_id(bucket_id: str) -> str:
    """Return a bucket id, refusing what must not become part of a path.

    Raises
    ------
    HomeError
        When it is not a bucket id.
    """
    if not BUCKET_ID.fullmatch(bucket_id):
        raise NoBucketError(
            f"{bucket_id!r:.80} is not a bucket id (lower case letters, digits, - and _; at most"
            " 64)"
        )
    return bucket_id


@dataclass(frozen=True, slots=True)
class CreatedHome:
    """The result of `create_home`: `written` files are new, `existing` ones were not changed."""

    home: Home
    written: tuple[Path, ...]
    existing: tuple[Path, ...]


def create_home(root: Path, *, demo: bool) -> CreatedHome:
    """Write the missing files of a home, with comments that explain them.

    The schemas, which only editors read, are replaced by those of the installed version.

    Parameters
    ----------
    root : Path
    demo : bool
        With real prices and two invented portfolios, instead of templates.

    Raises
    ------
    HomeError
        The home has portfolios of its own: demo data is not mixed into it. Or the folder holds
        other files and is not a home.
    StorageError
        A folder or file could not be written.
    """
    home = Home(root)
    if demo and home.bucket_ids() and not home.is_demo:
        raise HomeError(
            f"{root}: this home has portfolios of its own ({', '.join(home.bucket_ids())}); demo"
            " data is not mixed into it (choose another one with --home)"
        )
    files = tuple(_shipped_files(demo=demo))
    _require_own_folder(root, {name.partition("/")[0] for name, _ in files})
    make_folder(root)
    written: list[Path] = []
    existing: list[Path] = []
    for name, data in files:
        path = root / name
        is_new = write_new(path, data)
        if not is_new and name.startswith(SCHEMA_FOLDER):
            # Not a user's file: it belongs to the installed version.
            is_new = _replace_if_changed(path, data)
        (written if is_new else existing).append(path)
    return CreatedHome(home, tuple(written), tuple(existing))


def _require_own_folder(root: Path, shipped: Set[str]) -> None:
    """Refuse a folder that is neither missing, nor empty, nor a home, such as /etc.

    A home may be incomplete: after an interrupted `trader init`, or when the daemon came first.
    Hidden files and the `lost+found` of a new disk do not count.
    """
    try:
        names = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    except OSError:
        return  # missing, or an error that writing reports
    if not names & HOME_MARKS and names - shipped - DAEMON_FOLDERS - {"lost+found"}:
        raise HomeError(
            f"{root}: is not empty and not a trader home (choose a new folder with --home)"
        )


def _replace_if_changed(path: Path, data: bytes) -> bool:
    """Replace a file that has other content; return whether it was replaced."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    write_atomic(path, data)
    return True


def _shipped_files(*, demo: bool) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file, the mark of the demo first."""
    configs = resources.files("configs")
    shipped = dict(_files_below(configs.joinpath("home")))
    shipped[f"buckets/{DEFAULT_BUCKET}.toml"] = configs.joinpath("default_bucket.toml").read_bytes()
    if demo:
        shipped |= dict(_files_below(configs.joinpath("demo")))
        yield DEMO_MARK, shipped.pop(DEMO_MARK)
    yield from sorted(shipped.items())


def _files_below(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files_below(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(PACKED_SUFFIX):
            name = entry.name.removesuffix(PACKED_SUFFIX)
            yield f"{prefix}{name}", gzip.decompress(entry.read_bytes())
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()
