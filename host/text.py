"""Text for a terminal: what comes from outside made harmless, and numbers as people read them."""

from __future__ import annotations

from planner_core.model.currencies import minor_digits

QUANTITY_EPSILON = 1e-9
"""Closer to a whole number than any tradable fraction."""


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor or reverse its text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def money(value: float, decimals: int = 0) -> str:
    """Format an amount with thousands apart; never minus zero."""
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def exact_money(value: float, currency: str) -> str:
    """Format an amount with all decimals that its currency has: 2, for yen none."""
    return money(value, minor_digits(currency))


def percent(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Format a fraction as percent; never minus zero."""
    text = money(value * 100, decimals)
    return f"{'+' if signed and value > 0 and text.strip('0.,') else ''}{text}%"


def quantity(value: float) -> str:
    """Format a quantity: whole units as such, fractions with the digits they need."""
    if abs(value - round(value)) < QUANTITY_EPSILON:
        return f"{round(value):,}"
    return f"{value:,.6f}".rstrip("0")
