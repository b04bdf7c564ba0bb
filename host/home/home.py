"""Where everything of a user stands: `~/.arduino-trader`, or another root; and how it is made."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from host.errors import HomeError
from host.home.storage.atomic_file import make_folder, write_atomic, write_new
from host.limits import BUCKET_ID

HOME_VARIABLE = "ARDUINO_TRADER_HOME"
DEFAULT_HOME = "~/.arduino-trader"
PORTFOLIO_SUFFIX = ".toml"
LEDGER_SUFFIX = ".trades.csv"
DEMO_MARK = "PROVENANCE.md"
"""Says where the demo data comes from, and by being there that it is demo data."""
DEFAULT_BUCKET = "core"
PACKED_SUFFIX = ".gz"
SCHEMA_FOLDER = "schema/"


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the root; making one touches no disk."""

    root: Path

    @classmethod
    def locate(cls, option: str | None, environ: Mapping[str, str]) -> Home:
        """Return the home that `--home` names, else the environment, else the default one."""
        return cls(Path(option or environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser())

    @property
    def is_demo(self) -> bool:
        """Whether the data in it is the demo's."""
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
        """Base units per 1 unit of a currency: days by currencies."""
        return self.market_dir / "fx.csv"

    @property
    def corporate_actions_file(self) -> Path:
        """Splits."""
        return self.market_dir / "corporate_actions.csv"

    @property
    def presets_dir(self) -> Path:
        """Named configurations."""
        return self.root / "presets"

    @property
    def plugins_dir(self) -> Path:
        """Modules of the user's own."""
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
        """What the daemon remembers."""
        return self.root / "state"

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
        """Return where the plans of a bucket are kept."""
        return self.root / "plans" / check_bucket_id(bucket_id)

    def advice_file(self, bucket_id: str) -> Path:
        """Return where refused steps and dismissed plans of a bucket are kept."""
        return self.state_dir / "advice" / f"{check_bucket_id(bucket_id)}.json"

    def config_history_dir(self, bucket_id: str) -> Path:
        """Return where the versions of a bucket's configuration are kept."""
        return self.root / "history" / "config" / check_bucket_id(bucket_id)

    def portfolio_history_dir(self, bucket_id: str) -> Path:
        """Return where the versions of a bucket's portfolio are kept."""
        return self.root / "history" / "portfolio" / check_bucket_id(bucket_id)

    def bucket_ids(self) -> tuple[str, ...]:
        """Return the buckets that have a portfolio, sorted; none when they cannot be listed."""
        try:
            return self._bucket_ids()
        except OSError:
            return ()

    def require_bucket_ids(self) -> tuple[str, ...]:
        """Return the buckets that have a portfolio, sorted; perhaps none.

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
            Saying how to make one.
        """
        try:
            next(self.root.iterdir(), None)  # may it be read?
        except FileNotFoundError:
            raise HomeError(
                f"{self.root}: there is no home here (run: trader init --home {self.root}, or with"
                " --demo for one with data)"
            ) from None
        except NotADirectoryError:
            message = f"{self.root}: is no folder, so no home (name another one with --home)"
            raise HomeError(message) from None
        except OSError as error:
            raise _unreadable(self.root, error) from error

    def require_bucket(self, bucket_id: str) -> None:
        """Check that there is a home and the bucket in it.

        Raises
        ------
        HomeError
            Saying which buckets there are, or how to make a home.
        """
        check_bucket_id(bucket_id)
        bucket_ids = self.require_bucket_ids()
        if bucket_id not in bucket_ids:
            known = ", ".join(bucket_ids) or "none"
            raise HomeError(
                f"{self.root}: there is no bucket {bucket_id!r} (buckets: {known}; a new one needs"
                f" portfolios/{bucket_id}.toml)"
            )


def _unreadable(path: Path, error: OSError) -> HomeError:
    why = (error.strerror or str(error)).lower()
    return HomeError(f"{path}: cannot be read: {why} (check its owner and rights)")


def check_bucket_id(bucket_id: str) -> str:
    """Return the id, refusing what must not become part of a path.

    Raises
    ------
    HomeError
        When it is no bucket id.
    """
    if not BUCKET_ID.fullmatch(bucket_id):
        raise HomeError(
            f"{bucket_id!r:.80} is no bucket id (lower case letters, digits, - and _, at most 64)"
        )
    return bucket_id


@dataclass(frozen=True, slots=True)
class CreatedHome:
    """What `create_home` did.

    `written` are new files, `kept` those that were there and were left alone.
    """

    home: Home
    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def create_home(root: Path, *, demo: bool) -> CreatedHome:
    """Write the files of a home that are missing, with comments that explain them.

    The schemas, which only editors read, become those of the installed version.

    Parameters
    ----------
    root : Path
    demo : bool
        With real prices and two invented portfolios, instead of templates.

    Raises
    ------
    HomeError
        Somebody's own home stands there: demo data is not mixed into it.
    StorageError
        A folder or file could not be written.
    """
    home = Home(root)
    if demo and home.bucket_ids() and not home.is_demo:
        raise HomeError(
            f"{root}: this home has portfolios of its own ({', '.join(home.bucket_ids())}); demo"
            " data is not mixed into it (choose another one with --home)"
        )
    make_folder(root)
    written: list[Path] = []
    kept: list[Path] = []
    for name, data in _shipped_files(demo=demo):
        path = root / name
        is_new = write_new(path, data)
        if not is_new and name.startswith(SCHEMA_FOLDER):
            # Ours, not the user's: of the version that is installed.
            is_new = _renew(path, data)
        (written if is_new else kept).append(path)
    return CreatedHome(home, tuple(written), tuple(kept))


def _renew(path: Path, data: bytes) -> bool:
    """Replace a file that is another one; tell whether it was."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    write_atomic(path, data)
    return True


def _shipped_files(*, demo: bool) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file, the demo's mark first."""
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
