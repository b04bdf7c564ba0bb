"""Check of the plugins: those that cannot be loaded, and those that lie there while they are off.

Plugins that nobody has inspected yet are inspected here, in a process that may be killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from host.home.config.plugin_catalogue import load_catalogue
from host.plugins.inspection import InspectionLimits

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe

LIMITS: Final = InspectionLimits(load_s=5.0, total_s=10.0)
"""A check has a part of the time of a report. A plugin that needs longer is a finding."""
SHOWN: Final = 5


def check_plugins(probe: HealthProbe) -> Findings:
    """Find plugins that take no part in plans."""
    catalogue = load_catalogue(probe.home, save=False, limits=LIMITS)
    for label, why in catalogue.problems.items():
        yield probe.finding("plugin_failed", f"{label}: {why}", subject=label)
    if catalogue.off:
        more = len(catalogue.off) - SHOWN
        names = ", ".join(catalogue.off[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield probe.finding("plugins_off", f"{names}: plugins are off")
