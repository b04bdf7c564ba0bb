"""`device.toml`: the link, the buttons, the display and the limits of the appliance.

Every key has a default, so that the file may be missing or say one thing only. What is wrong in it
is told all at once, each problem with its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from host.configuration.toml_file import TomlDocument, locate_problems, read_toml
from host.daemon.controls import Command
from host.files.model_problems import model_problems
from host.files.problems import ConfigFileError
from host.limits import DEVICE_PATH_LENGTH_MAX, PLAN_MEMORY_MB

if TYPE_CHECKING:
    from host.files.home import Home

Name = Annotated[str, Field(min_length=1, max_length=DEVICE_PATH_LENGTH_MAX)]


class DeviceTable(BaseModel):
    """What all tables share: nothing unknown, no NaN, a number is no text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class LinkTable(DeviceTable):
    """Where the board is."""

    port: Name = Field("/dev/ttyATH0", description="the serial device that the board is on")
    baud: int = Field(250_000, ge=1_200, le=4_000_000, description="bits per second")


class DisplayTable(DeviceTable):
    """How the matrix looks."""

    brightness: int = Field(15, ge=0, le=15, description="by day; 0 is dark")


class ButtonsTable(DeviceTable):
    """What each gesture does, and what makes a gesture."""

    short: Command = Field(Command.PLAN, strict=False, description="a short press")
    double: Command = Field(Command.NEXT_PAGE, strict=False, description="two short presses")
    hold: Command = Field(Command.NEXT_BUCKET, strict=False, description="held, then released")
    long_hold: Command = Field(Command.CANCEL, strict=False, description="held for long")
    double_window_ms: int = Field(300, ge=0, le=2_000, description="0: no double presses")
    hold_ms: int = Field(1_500, ge=300, le=10_000, description="down for so long is a hold")
    long_hold_ms: int = Field(5_000, ge=1_000, le=30_000, description="down for so long acts")

    @model_validator(mode="after")
    def _times_grow(self) -> Self:
        """Refuse times that would make a gesture impossible."""
        if not self.double_window_ms <= self.hold_ms < self.long_hold_ms:
            raise PydanticCustomError(
                "gesture_times",
                "Times have to grow: double_window_ms, hold_ms, long_hold_ms",
            )
        return self


class LimitsTable(DeviceTable):
    """How long things may take."""

    press_age_s: float = Field(
        10.0, ge=1, le=60, description="an older press is recorded, not executed"
    )
    plan_deadline_s: float = Field(
        30.0, ge=1, le=600, description="a planner that takes longer is stopped"
    )
    plan_memory_mb: int = Field(
        PLAN_MEMORY_MB, ge=64, le=65_536, description="memory that planning may take"
    )


class DeviceConfig(DeviceTable):
    """All of `device.toml`."""

    link: LinkTable = LinkTable()
    display: DisplayTable = DisplayTable()
    buttons: ButtonsTable = ButtonsTable()
    limits: LimitsTable = LimitsTable()


def load_device_config(home: Home) -> DeviceConfig:
    """Read the home's `device.toml`; the defaults where there is none.

    Raises
    ------
    ConfigFileError
        With all problems of the file, each with its place.
    """
    if not home.device_file.exists():
        return DeviceConfig()
    return check_device_config(read_toml(home.device_file))


def check_device_config(document: TomlDocument) -> DeviceConfig:
    """Turn a parsed document into the settings, or raise ConfigFileError with all problems."""
    try:
        return DeviceConfig.model_validate(document.mapping)
    except ValidationError as error:
        problems = model_problems(error, DeviceConfig)
        raise ConfigFileError(locate_problems(document, problems)) from None
