"""`trader plugin`: the plugins of a home, and what became of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED
from host.home.config.plugin_catalogue import SWITCH_ON, load_catalogue
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.plugin_catalogue import PluginCatalogue


def show_list(options: argparse.Namespace, output: Output) -> int:
    """Print every plugin; 1 if one that should be loaded cannot be."""
    home = open_home(options.home)
    home.require_home()
    # Plugins with an error are tried again: its cause may be fixed, such as a package that missed.
    catalogue = load_catalogue(home, retry=True)
    code = EXIT_FAILED if catalogue.problems else EXIT_DONE
    if options.json:
        output.json(_to_json(catalogue, str(home.plugins_dir)))
        return code
    if not catalogue.reports:
        output.line(f"No plugins: put files into {home.plugins_dir}, or install a package.")
    for report in catalogue.reports:
        modules = ", ".join(f"{key} {version}" for key, version in report.modules)
        output.line(printable(f"{report.status:<8} {report.label}  {modules}".rstrip()))
        if report.why:
            output.line(printable(f"         {report.why}"))
    if catalogue.off:
        output.line(f"\nTo load them, {SWITCH_ON}. They run with all your rights: read them first.")
    return code


def _to_json(catalogue: PluginCatalogue, folder: str) -> dict[str, object]:
    return {
        "enabled": catalogue.is_enabled,
        "folder": folder,
        "plugins": [
            {
                "plugin": report.label,
                "status": report.status.value,
                "why": report.why,
                "modules": [{"key": key, "version": version} for key, version in report.modules],
            }
            for report in catalogue.reports
        ],
    }
