"""A firmware is refused for one wrong digit, wherever it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.board.flash import SUMS_NAME, ImageError, read_image
from host.simulation.avr_build import yun_image

SHIPPED = yun_image().read_text("ascii")
END = ":00000001FF\n"


def line(address: int, data: bytes, kind: int = 0) -> str:
    record = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{(record + bytes([-sum(record) % 256])).hex().upper()}\n"


def test_the_image_that_is_shipped_is_whole_and_known() -> None:
    image = read_image(yun_image())
    assert image.has_matching_sum
    assert 8_000 < image.flash_bytes < 14 * 1024


@given(st.data())
def test_one_digit_that_is_another_is_noticed(data: st.DataObject) -> None:
    folder = Path(str(_FOLDER))
    at = data.draw(st.sampled_from([m.start() for m in re.finditer(r"[0-9A-F]", SHIPPED)]))
    digit = data.draw(st.sampled_from([d for d in "0123456789ABCDEF" if d != SHIPPED[at]]))
    path = folder / "yun.hex"
    path.write_text(SHIPPED[:at] + digit + SHIPPED[at + 1 :], encoding="ascii")
    with pytest.raises(ImageError):
        read_image(path)


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _FOLDER  # noqa: PLW0603 - hypothesis wants no fixture of a function's scope
    _FOLDER = tmp_path_factory.mktemp("images")


_FOLDER = Path()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "incomplete"),
        (line(0, b"\x01\x02"), "incomplete"),
        (END, "fills 0 bytes"),
        (line(28_672 - 1, b"\x01\x02") + END, "fills 28673 bytes"),
        (line(0, b"\x00\x10", kind=2) + END, ":1: an address beyond the 64 KiB"),
        (line(0, b"\x01") + "hello\n" + END, ":2: not a line of an Intel HEX file"),
        (line(0, b"\x01") + END + line(1, b"\x02"), ":3: "),
        (":0000\n" + END, ":1: "),
        (":é\n" + END, ":1: "),
        (line(0, b"\x01" * 255) * 300, "larger than any firmware"),
    ],
)
def test_what_is_no_firmware_for_this_chip_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "firmware.hex"
    path.write_bytes(text.encode())
    with pytest.raises(ImageError, match=re.escape(message)):
        read_image(path)


def test_a_firmware_of_your_own_needs_no_sum_and_must_have_the_one_that_stands_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.hex"
    path.write_text(line(0, b"\x01\x02") + END, encoding="ascii")
    assert not read_image(path).has_matching_sum
    (tmp_path / SUMS_NAME).write_text(f"{'0' * 64}  mine.hex\n", encoding="ascii")
    with pytest.raises(ImageError, match="SHA-256"):
        read_image(path)


def test_a_firmware_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.hex: No such file"):
        read_image(tmp_path / "none.hex")
