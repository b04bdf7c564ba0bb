"""Check of the plugins: those that cannot be loaded, and those that lie there while they are off.

Plugins that are not inspected yet are inspected here, in a process that may be killed. The
result is kept in `state/plugins.json`: a plugin that hangs delays one report, not each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from host.home.config.plugin_catalogue import load_catalogue
from host.plugins.inspection import InspectionLimits

if TYPE_CHECKING:
    from host.health.probe import Findings, HealthProbe

LIMITS: Final = InspectionLimits(total_s=30.0)
"""Half of the time that the daemon gives to a report."""
SHOWN: Final = 5


def check_plugins(probe: HealthProbe) -> Findings:
    """Find plugins that take no part in plans."""
    catalogue = load_catalogue(probe.home, limits=LIMITS)
    for label, why in catalogue.problems.items():
        yield probe.finding("plugin_failed", f"{label}: {why}", subject=label)
    if catalogue.off:
        more = len(catalogue.off) - SHOWN
        names = ", ".join(catalogue.off[:SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield probe.finding("plugins_off", f"{names}: plugins are off")
