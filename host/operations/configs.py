"""Configurations of buckets: what is in force, what is wrong, what a change means, and versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from host.errors import HistoryError, UsageError
from host.home.config.currency_defaults import base_currency_of, names_targets
from host.home.config.effective_toml import effective_mapping
from host.home.config.history import ConfigVersion
from host.home.config.load import (
    UNCOMMITTED,
    LoadedConfig,
    check_document,
    load_active,
    load_uncommitted,
    load_version,
    open_history,
    read_edit_base,
    replace_config,
    require_unchanged,
)
from host.home.config.plugin_catalogue import modules_of
from host.home.storage.toml_file import ConfigFileError, parse_toml, read_bytes
from host.limits import TOML_BYTES_MAX
from host.operations.dry_run import REQUEST_SOURCE
from host.operations.problems import problem_to_json, problem_with_file
from planner_core.config_api.config_diff import semantic_diff, unified_diff

if TYPE_CHECKING:
    from host.home.config.input_review import InputReview
    from host.home.config.load import EditBase
    from host.home.home import Home
    from host.home.storage.problems import FileProblem
    from planner_core.config_api.config_diff import ConfigDiff
    from planner_core.model.records import Finding

FILE: Final = "file"
"""The name of the edited file, beside the numbers of versions."""


# --- what is in force, and what is wrong ----------------------------------------------------------


def config_in_force(home: Home, bucket_id: str, loaded: LoadedConfig) -> dict[str, object]:
    """Return every setting in force: those of the file, and the defaults for the rest."""
    currency = base_currency_of(home, bucket_id)
    with_targets = names_targets(home, bucket_id)
    return {
        "bucket_id": bucket_id,
        **_identity(loaded),
        "config": effective_mapping(loaded.config, currency, with_targets=with_targets),
    }


def config_and_text(home: Home, bucket_id: str, base: EditBase) -> dict[str, object]:
    """Return the text of the file, its settings in force, or its problems.

    Parameters
    ----------
    home : Home
    bucket_id : str
    base : EditBase
        As it was read for the version of the answer.
    """
    path = home.bucket_file(bucket_id)
    record: dict[str, object] = {
        "bucket_id": bucket_id,
        "path": str(path),
        "config_version": base.version,
        "config_sha256": base.sha256,
        "text": base.text,
        "config": None,
        "problems": [],
    }
    try:
        if not base.text:  # an empty file, or none
            advice = f"`trader config rollback {bucket_id} N` brings a version back"
            read_bytes(path, TOML_BYTES_MAX, advice=advice)
        document = parse_toml(base.text, str(path))
        loaded = LoadedConfig(
            check_document(document, modules_of(home)), base.sha256, base.version, path
        )
    except ConfigFileError as error:
        problems = [problem_to_json(problem) for problem in error.problems]
        return {**record, "problems": problems}
    return {**record, "config": config_in_force(home, bucket_id, loaded)["config"]}


def _identity(loaded: LoadedConfig) -> dict[str, object]:
    return {
        "path": str(loaded.path),
        "config_version": loaded.version,
        "config_sha256": loaded.sha256,
    }


@dataclass(frozen=True, slots=True)
class BucketReview:
    """The result of a check of all files of a bucket.

    Parameters
    ----------
    bucket_id, path : str
        `path` is that of the configuration.
    loaded : LoadedConfig, optional
        None when the configuration is wrong.
    problems : tuple of FileProblem
        Of the configuration.
    inputs : InputReview
        Of portfolio, ledger and market data; by the defaults, if the configuration is wrong.
    """

    bucket_id: str
    path: str
    loaded: LoadedConfig | None
    problems: tuple[FileProblem, ...]
    inputs: InputReview

    @property
    def findings(self) -> list[Finding]:
        """Findings of the data, without notes, and modules that take no part."""
        findings = [f for f in self.inputs.findings if f.severity.value != "info"]
        return [*findings, *absent_module_findings(self.loaded)]

    @property
    def unsaid_obstacle(self) -> str | None:
        """The obstacle of a plan, unless a finding that stops the plan says it already."""
        obstacle = self.inputs.obstacle
        if obstacle is None or any(error.message in obstacle for error in self.inputs.errors):
            return None
        return obstacle

    @property
    def n_data_problems(self) -> int:
        """Number of problems in portfolio, ledger and market data."""
        inputs = self.inputs
        return len(inputs.problems) + len(inputs.errors) + (self.unsaid_obstacle is not None)

    @property
    def is_valid(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems and not self.n_data_problems

    def to_json(self) -> dict[str, object]:
        """Return the review as plain data."""
        identity = {"path": self.path} if self.loaded is None else _identity(self.loaded)
        inputs = self.inputs
        return {
            "bucket_id": self.bucket_id,
            "valid": self.is_valid,
            **identity,
            "problems": [problem_to_json(problem) for problem in self.problems],
            "data": {
                "valid": not self.n_data_problems,
                "obstacle": inputs.obstacle,
                "problems": [problem_with_file(problem) for problem in inputs.problems],
                "findings": [_finding_to_json(finding) for finding in self.findings],
            },
        }


def absent_module_findings(loaded: LoadedConfig | None) -> list[Finding]:
    """Return a finding for each module of a plugin that a configuration names in vain."""
    from planner_core.model.records import Finding, Severity

    absent = loaded.config.absent_modules if loaded is not None else {}
    return [
        Finding(
            "module_absent",
            Severity.WARNING,
            f"{key}: plans do without it: {reason}",
            "`trader plugin list` shows all plugins.",
        )
        for key, reason in absent.items()
    ]


def review_bucket(home: Home, bucket_id: str) -> BucketReview:
    """Check configuration, portfolio, ledger and market data of a bucket."""
    from host.home.config.input_review import review_inputs  # numpy: not for other requests

    path = home.bucket_file(bucket_id)
    problems: tuple[FileProblem, ...] = ()
    loaded: LoadedConfig | None = None
    try:
        loaded = load_uncommitted(home, bucket_id)
    except ConfigFileError as error:
        problems = error.problems
    # The other files are checked all the same, by the defaults.
    inputs = review_inputs(home, bucket_id, loaded or _defaults(home, bucket_id))
    return BucketReview(bucket_id, str(path), loaded, problems, inputs)


def _defaults(home: Home, bucket_id: str) -> LoadedConfig:
    config = check_document(parse_toml("# defaults\n", "defaults"), modules_of(home))
    return LoadedConfig(config, "", UNCOMMITTED, home.bucket_file(bucket_id))


def _finding_to_json(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "message": finding.message,
        "action": finding.action or None,
        "security": finding.security,
    }


def reviews_to_json(reviews: Sequence[BucketReview]) -> dict[str, object]:
    """Return the reviews of several buckets as plain data."""
    valid = all(review.is_valid for review in reviews)
    return {"valid": valid, "buckets": [review.to_json() for review in reviews]}


def validate_text(home: Home, bucket_id: str, text: str) -> dict[str, object]:
    """Return whether a text is a valid configuration, and every problem with its place."""
    problems: tuple[FileProblem, ...] = ()
    try:
        check_document(parse_toml(text, REQUEST_SOURCE), modules_of(home))
    except ConfigFileError as error:
        problems = error.problems
    return {
        "valid": not problems,
        "bucket_id": bucket_id,
        "problems": [problem_to_json(problem) for problem in problems],
    }


# --- versions -------------------------------------------------------------------------------------


def version_record(home: Home, bucket_id: str, number: int) -> dict[str, object]:
    """Return a version with its text; NoVersionError when it does not exist."""
    stored = open_history(home, bucket_id).read(number)
    return {"bucket_id": bucket_id, **asdict(stored.meta), "text": stored.text}


def version_log(home: Home, bucket_id: str) -> dict[str, object]:
    """Return the metadata of all versions, newest first."""
    newest_first = open_history(home, bucket_id).newest_first()
    return {"bucket_id": bucket_id, "versions": [asdict(stored.meta) for stored in newest_first]}


def newest_version(home: Home, bucket_id: str) -> dict[str, Any]:
    """Return the metadata of the newest version; None for each key without a version."""
    newest = next(iter(open_history(home, bucket_id).newest_first()), None)
    if newest is None:
        return dict.fromkeys((field.name for field in fields(ConfigVersion)), None)
    return asdict(newest.meta)


# --- a change ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConfigSide:
    """One side of a comparison: a version or the file."""

    name: str
    text: str
    loaded: LoadedConfig


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, and what differs."""

    bucket_id: str
    old: ConfigSide
    new: ConfigSide
    meaning: ConfigDiff

    def to_json(
        self, plans: dict[str, Any] | None = None, comparison: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Return the difference as plain data, with today's plans and which is better."""
        return {
            "bucket_id": self.bucket_id,
            "old": self.old.name,
            "new": self.new.name,
            "unified": unified_diff(self.old.text, self.new.text, self.old.name, self.new.name),
            **self.meaning.to_record(),
            "plans": plans,
            "comparison": comparison,
        }


def compare(home: Home, bucket_id: str, a: str | None, b: str | None) -> Comparison:
    """Compare A with B, A with the file, or the active version with the file."""
    if a is None:
        active = open_history(home, bucket_id).active()
        if active is None:
            raise HistoryError(
                f"{bucket_id}: there is no version to compare with yet (trader config"
                f" commit {bucket_id})"
            )
        a = str(active.meta.version)
    old, new = _side(home, bucket_id, a), _side(home, bucket_id, b or FILE)
    meaning = semantic_diff(old.loaded.config, new.loaded.config)
    return Comparison(bucket_id, old, new, meaning)


def compare_text(home: Home, bucket_id: str, text: str) -> Comparison:
    """Compare the file with a text that might replace it."""
    old = _side(home, bucket_id, FILE)
    document = parse_toml(text, REQUEST_SOURCE)
    config = check_document(document, modules_of(home))
    path = home.bucket_file(bucket_id)
    new = ConfigSide(REQUEST_SOURCE, text, LoadedConfig(config, document.sha256, UNCOMMITTED, path))
    return Comparison(bucket_id, old, new, semantic_diff(old.loaded.config, config))


def _side(home: Home, bucket_id: str, name: str) -> ConfigSide:
    """Return text and configuration of a version, or of the file."""
    if name == FILE:
        text = read_edit_base(home, bucket_id).text
        return ConfigSide(name, text, load_uncommitted(home, bucket_id))
    if not (name.isascii() and name.isdecimal()):
        raise UsageError(f"{name!r:.40} is neither a version nor `{FILE}`")
    stored = open_history(home, bucket_id).read(int(name))
    loaded = load_version(stored, home.bucket_file(bucket_id), modules_of(home))
    return ConfigSide(name, stored.text, loaded)


@dataclass(frozen=True, slots=True)
class Change:
    """A text that may become the newest version, and what it changes.

    Parameters
    ----------
    bucket_id : str
    base : EditBase
        The state that the text was made from. If it has changed since, nothing is saved.
    text : str
    meaning : ConfigDiff, optional
        None when there is neither a version nor a file to compare with.
    """

    bucket_id: str
    base: EditBase
    text: str
    meaning: ConfigDiff | None

    @property
    def is_empty(self) -> bool:
        """True if the text is that of the file."""
        return self.text == self.base.text


def prepare_change(home: Home, bucket_id: str, base: EditBase, text: str) -> Change:
    """Check a text against the state that it was made from.

    Raises
    ------
    ConfigFileError
        With every problem of the text.
    LostUpdateError
        When somebody else changed the configuration since `base`.
    """
    config = check_document(parse_toml(text, f"{bucket_id}.toml"), modules_of(home))
    if text != base.text:
        # Before any question; `replace_config` checks again.
        require_unchanged(home, bucket_id, base)
    try:
        meaning = semantic_diff(load_active(home, bucket_id).config, config)
    except ConfigFileError:
        meaning = None
    return Change(bucket_id, base, text, meaning)


def save_change(home: Home, change: Change, reason: str) -> dict[str, Any]:
    """Make the text the newest version, unless it changes nothing.

    Returns
    -------
    dict
        The newest version, and `changed`: what the planner does differently; None: nothing was
        saved, or there was nothing to compare with.

    Raises
    ------
    LostUpdateError, StorageError
        Nothing was saved.
    """
    bucket_id = change.bucket_id
    if change.is_empty:
        return {"bucket_id": bucket_id, **newest_version(home, bucket_id), "changed": None}
    meta = replace_config(home, bucket_id, change.text, reason=reason, base=change.base)
    changed = change.meaning.to_record() if change.meaning is not None else None
    return {"bucket_id": bucket_id, **asdict(meta), "changed": changed}
