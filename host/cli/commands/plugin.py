"""`trader plugin`: the plugins of a home: list, write and check them."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Final

from host.cli.home_option import open_home
from host.errors import EXIT_DONE, EXIT_FAILED, UsageError
from host.home.config.plugin_catalogue import SWITCH_ON, load_catalogue
from host.text import printable

if TYPE_CHECKING:
    from host.cli.output import Output
    from host.home.config.plugin_catalogue import PluginCatalogue
    from host.home.home import Home
    from host.operations.new_plugin import NewPlugin
    from host.operations.plugin_check import CheckProblem, ModuleFigures, PluginReport

STATES_SHOWN: Final = 3
"""Names of states in one line; the others are counted."""


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


def create(options: argparse.Namespace, output: Output) -> int:
    """Write a template with its test, or copy an example; print the next steps."""
    from host.operations.new_plugin import copy_example, create_plugin

    home = open_home(options.home)
    home.require_home()
    if options.example is not None:
        if options.name is not None or options.kind is not None:
            raise UsageError("trader plugin new: --example goes without NAME and --kind")
        plugin = copy_example(home, options.example)
    elif options.name is None or options.kind is None:
        raise UsageError(
            "trader plugin new: needs NAME and --kind, or --example (`trader help plugin`)"
        )
    else:
        plugin = create_plugin(home, options.name, options.kind, with_test=not options.no_test)
    if options.json:
        output.json(
            {
                "file": str(plugin.path),
                "test": str(plugin.test) if plugin.test else None,
                "key": f"{plugin.kind}.{plugin.name}",
                "folder_problem": plugin.folder_problem,
            }
        )
        return EXIT_DONE
    home_option = "" if options.home is None else f" --home {shlex.quote(str(home.root))}"
    for line in _next_steps(plugin, home, home_option):
        output.line(printable(line))
    return EXIT_DONE


def _next_steps(plugin: NewPlugin, home: Home, home_option: str) -> list[str]:
    """Return what was written, and the exact lines to use it."""
    bucket = next(iter(home.bucket_ids()), "core")
    lines = [f"Wrote {plugin.path}" + (f" and {plugin.test.name}." if plugin.test else ".")]
    if plugin.folder_problem:
        lines += ["", f"It will be refused: {plugin.folder_problem}"]
    lines += ["", "Edit it, and check it after every change:"]
    lines.append(f"    trader plugin check {plugin.name}{home_option}")
    if plugin.test:
        folder = shlex.quote(str(home.plugins_dir))
        lines.append(f"    {shlex.quote(sys.executable)} -m unittest discover -s {folder}")
    lines += ["", f"Switch plugins on: in {home.device_file}, below [plugins], write"]
    lines.append("    enabled = true")
    lines += ["", f"Use it: in {home.bucket_file(bucket)}, below [{plugin.kind}], write"]
    lines.append(f"    {plugin.name} = true")
    lines += ["", "See what it does:", f"    trader plan {bucket} --explain{home_option}"]
    return lines


def show_examples(options: argparse.Namespace, output: Output) -> int:
    """Print the plugins that are shipped to be copied."""
    from host.operations.new_plugin import list_examples

    examples = list_examples()
    if options.json:
        output.json(
            {
                "examples": [
                    {
                        "example": example.name,
                        "kind": example.kind.value,
                        "summary": example.summary,
                        "source": example.source,
                    }
                    for example in examples
                ]
            }
        )
        return EXIT_DONE
    for example in examples:
        output.line(f"{example.name}  ({example.kind})")
        output.line(f"    {example.summary}")
        output.line(f"    {example.source}")
        output.line(f"    trader plugin new --example {example.name}")
    return EXIT_DONE


def check(options: argparse.Namespace, output: Output) -> int:
    """Check a file; 1 if something is to fix."""
    from host.operations.plugin_check import check_plugin, find_plugin_file

    path = find_plugin_file(open_home(options.home), options.file)
    report = check_plugin(path)
    code = EXIT_DONE if report.is_good else EXIT_FAILED
    if options.json:
        output.json(_report_to_json(report))
        return code
    output.line(str(path))
    for figures in report.modules:
        output.line(_figures_line(figures))
        if not figures.n_results and report.is_good:
            output.line("  It had nothing to say in any state: is its condition ever true?")
    for problem in report.problems:
        output.line()
        for line in _problem_lines(problem, path.name):
            output.line(printable(line))
    n_problems = len(report.problems)
    output.line()
    output.line(
        "Nothing to fix."
        if report.is_good
        else f"{n_problems} thing{'s' if n_problems > 1 else ''} to fix."
    )
    return code


def _figures_line(figures: ModuleFigures) -> str:
    memory = "" if figures.memory_mb is None else f", at most {figures.memory_mb:.1f} MB"
    return (
        f"  {figures.key} {figures.version}: {figures.n_calls} calls,"
        f" {figures.n_results} results, at most {figures.slowest_s * 1000:.0f} ms"
        f" ({figures.slowest_state or 'no state'}){memory}"
    )


def _problem_lines(problem: CheckProblem, file: str) -> list[str]:
    place = f"{file}:{problem.line}" if problem.line else file
    subject = f" {problem.module}" if problem.module else ""
    lines = [f"{place}: {problem.check}:{subject} {problem.message}"]
    if problem.states:
        shown = ", ".join(problem.states[:STATES_SHOWN])
        n_more = len(problem.states) - STATES_SHOWN
        lines.append(f"    in the state: {shown}" + (f" and {n_more} more" if n_more > 0 else ""))
    return [*lines, f"    To do: {problem.cure}."]


def _report_to_json(report: PluginReport) -> dict[str, object]:
    return {
        "file": str(report.path),
        "good": report.is_good,
        "modules": [
            {
                "key": figures.key,
                "version": figures.version,
                "calls": figures.n_calls,
                "results": figures.n_results,
                "slowest_s": round(figures.slowest_s, 6),
                "slowest_state": figures.slowest_state,
                "memory_mb": figures.memory_mb,
            }
            for figures in report.modules
        ],
        "problems": [
            {
                "check": problem.check,
                "module": problem.module,
                "message": problem.message,
                "cure": problem.cure,
                "line": problem.line,
                "states": list(problem.states),
            }
            for problem in report.problems
        ],
    }
