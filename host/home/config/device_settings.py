"""`device.toml`: the link, the buttons, the display and the limits of the appliance.

Every key has a default, so the file may be missing or set a single key. All its problems are
reported at once, each with its place.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from host.errors import did_you_mean
from host.home.storage.atomic_file import may_exist
from host.home.storage.model_problems import model_problems
from host.home.storage.problems import ConfigFileError
from host.home.storage.toml_file import TomlDocument, locate_problems, read_toml
from host.limits import (
    BUCKET_ID,
    DEVICE_PATH_LENGTH_MAX,
    PLAN_MEMORY_MB,
    PLUGINS_ONLY_MAX,
    WEB_NAMES_MAX,
)

if TYPE_CHECKING:
    from host.home.home import Home

TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
TIME_ZONE_LENGTH_MAX: Final = 64
LOCALHOST: Final = "localhost"

BucketId = Annotated[str, Field(pattern=f"^{BUCKET_ID.pattern}$")]
Name = Annotated[str, Field(min_length=1, max_length=DEVICE_PATH_LENGTH_MAX)]
HostName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^[0-9A-Fa-f:]{2,45}$")
]


def _time_of_day(text: str) -> str:
    if TIME_OF_DAY.fullmatch(text) is None:
        raise PydanticCustomError("time_of_day", 'Has to be a time of day, such as "22:00"')
    return text


def _time_zone(name: str) -> str:
    """Refuse a zone that is not installed on this computer."""
    if not name:
        return name
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown, not a name, a folder of zones
        zones = sorted(available_timezones())
        hint = did_you_mean(name, zones, otherwise="a name such as `Europe/Berlin`")
        if not zones:
            hint = "no time zones are installed here; Debian's package is tzdata"
        raise PydanticCustomError(
            "time_zone", "Has to be a time zone: {hint}", {"hint": hint}
        ) from None
    return name


TimeOfDay = Annotated[
    str,
    AfterValidator(_time_of_day),
    Field(json_schema_extra={"pattern": f"^{TIME_OF_DAY.pattern}$"}),
]
TimeZone = Annotated[str, Field(max_length=TIME_ZONE_LENGTH_MAX), AfterValidator(_time_zone)]


class DeviceTable(BaseModel):
    """Base of all tables: unknown keys, NaN and numbers in quotes are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class CarrierKind(StrEnum):
    """The transport of packets to the board."""

    RAW = "raw"
    ROUTER = "router"


class LinkTable(DeviceTable):
    """The connection to the board."""

    carrier: CarrierKind = Field(
        CarrierKind.RAW, strict=False, description="how to reach it; router: on an Uno Q itself"
    )
    port: Name = Field(
        "/dev/ttyATH0", description="raw: the serial device; one that ends in .sock is a router's"
    )
    baud: int = Field(250_000, ge=1_200, le=4_000_000, description="raw: bits per second")
    socket: Name = Field(
        "/var/run/arduino-router.sock", description="router: where arduino-router listens"
    )


class NightLight(StrEnum):
    """The brightness of the matrix at night."""

    FULL = "full"
    DIM = "dim"
    OFF = "off"
    OFF_BUT_FAULTS = "off_but_faults"


class DisplayTable(DeviceTable):
    """The brightness of the matrix by day and by night."""

    brightness: int = Field(15, ge=0, le=15, description="brightness by day; 0 is dark")
    night: NightLight = Field(
        NightLight.FULL,
        strict=False,
        description="brightness mode at night; with off, a press lights it for a minute",
    )
    night_from: TimeOfDay = Field("22:00", description="when the night begins")
    night_to: TimeOfDay = Field("07:00", description="when the night ends; the same time: all day")
    night_brightness: int = Field(2, ge=0, le=15, description="brightness when night is dim")
    time_zone: TimeZone = Field(
        "",
        description='time zone of these hours, such as "Europe/Berlin"; "": that of this computer',
    )


class ButtonCommand(StrEnum):
    """The actions that a gesture can have."""

    PLAN = "plan"
    NEXT_PAGE = "next_page"
    NEXT_BUCKET = "next_bucket"
    CANCEL = "cancel"
    PAIR = "pair"
    NOTHING = "nothing"


class ButtonsTable(DeviceTable):
    """The action of each gesture, and the times that define gestures."""

    short: ButtonCommand = Field(ButtonCommand.PLAN, strict=False, description="a short press")
    double: ButtonCommand = Field(
        ButtonCommand.NEXT_PAGE, strict=False, description="two short presses"
    )
    hold: ButtonCommand = Field(
        ButtonCommand.NEXT_BUCKET, strict=False, description="held, then released"
    )
    long_hold: ButtonCommand = Field(
        ButtonCommand.CANCEL,
        strict=False,
        description="held for long; cancel with nothing to cancel is pair if web.enabled",
    )
    double_window_ms: int = Field(300, ge=0, le=2_000, description="0: no double presses")
    hold_ms: int = Field(1_500, ge=300, le=10_000, description="a press of this length is a hold")
    long_hold_ms: int = Field(
        5_000, ge=1_000, le=30_000, description="after this time the long hold acts at once"
    )

    @model_validator(mode="after")
    def _times_grow(self) -> Self:
        """Refuse times that would make a gesture impossible."""
        if not self.double_window_ms <= self.hold_ms < self.long_hold_ms:
            raise PydanticCustomError(
                "gesture_times",
                "Times have to increase: double_window_ms, hold_ms, long_hold_ms",
            )
        return self


class LimitsTable(DeviceTable):
    """Limits of time and memory."""

    press_age_s: float = Field(
        10.0, ge=1, le=60, description="an older press is recorded, not executed"
    )
    plan_deadline_s: float = Field(
        30.0, ge=1, le=600, description="a planner that takes longer is stopped"
    )
    plan_memory_mb: int = Field(
        PLAN_MEMORY_MB, ge=64, le=65_536, description="memory that planning may take"
    )
    plan_silence_h: float = Field(
        168.0, ge=0, le=8_784, description="hours without a plan that succeeded: fault 8; 0: never"
    )


class LogLevel(StrEnum):
    """The lowest severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogTable(DeviceTable):
    """The log on standard error and in log/; new levels take effect when the file is saved."""

    level: LogLevel = Field(LogLevel.INFO, strict=False, description="lowest level that is logged")
    buckets: dict[BucketId, Annotated[LogLevel, Field(strict=False)]] = Field(
        {}, description='for single buckets, such as { core = "debug" }'
    )
    total_mb: int = Field(8, ge=1, le=1_000, description="all log files together, megabytes")


class WebTls(StrEnum):
    """The encryption of the HTTP API."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class WebTable(DeviceTable):
    """The HTTP API; it takes effect at the next start."""

    enabled: bool = Field(
        False, description="serve it while the daemon runs; `trader serve` does not ask"
    )
    host: Name = Field(
        "127.0.0.1",
        description="address to listen on; beyond this computer, such as 0.0.0.0, only with TLS",
    )
    port: int = Field(8484, ge=1, le=65_535, description="where it listens")
    tls: WebTls = Field(
        WebTls.AUTO, strict=False, description="encryption; auto: for addresses beyond loopback"
    )
    names: list[HostName] = Field(
        [],
        max_length=WEB_NAMES_MAX,
        description='more names of this computer, such as ["trader.lan"]; others are refused',
    )
    token_for_reads: bool = Field(
        False, description="reading needs a token on this computer, too; elsewhere it always does"
    )

    @property
    def is_loopback(self) -> bool:
        """True if only programs on this computer can connect."""
        return is_loopback(self.host)

    @property
    def has_tls(self) -> bool:
        """True if connections are encrypted."""
        if self.tls is WebTls.AUTO:
            return not self.is_loopback
        return self.tls is not WebTls.NEVER


def is_loopback(host: str) -> bool:
    """Return whether an address is one of this computer's loopback."""
    import ipaddress  # not for every command: start-up time

    if host == LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class PluginsTable(DeviceTable):
    """Modules from `plugins/*.py` and from installed packages. They run with all your rights."""

    enabled: bool = Field(default=False, description="load plugins")
    only: tuple[Name, ...] = Field(
        (),
        strict=False,
        max_length=PLUGINS_ONLY_MAX,
        description='load only these, such as ["momentum"] for plugins/momentum.py; []: all',
    )


class DeviceConfig(DeviceTable):
    """The whole of `device.toml`."""

    link: LinkTable = LinkTable()
    display: DisplayTable = DisplayTable()
    buttons: ButtonsTable = ButtonsTable()
    limits: LimitsTable = LimitsTable()
    log: LogTable = LogTable()
    web: WebTable = WebTable()
    plugins: PluginsTable = PluginsTable()


def load_device_config(home: Home) -> DeviceConfig:
    """Read the home's `device.toml`; without the file return the defaults.

    Raises
    ------
    ConfigFileError
        With all problems of the file, each with its place.
    ConfigFileUnreadableError
        When reading it fails.
    """
    if not may_exist(home.device_file):
        return DeviceConfig()
    return check_device_config(read_toml(home.device_file))


def check_device_config(document: TomlDocument) -> DeviceConfig:
    """Turn a parsed document into the settings, or raise ConfigFileError with all problems."""
    try:
        return DeviceConfig.model_validate(document.mapping)
    except ValidationError as error:
        problems = model_problems(error, DeviceConfig)
        raise ConfigFileError(locate_problems(document, problems)) from None
