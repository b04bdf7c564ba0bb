"""Digests of everything below an object, by path: what was changed is named, not only noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property

import numpy as np
from pydantic import BaseModel

from planner_core.search.evaluator import Evaluator
from planner_core.search.ranking import Ranking

DEPTH_MAX = 12
"""Levels below an object; a state has 5. Objects may contain themselves."""


def fingerprint(content: object, path: str) -> dict[str, str]:
    """Return path -> digest of every array and value below an object.

    Parameters
    ----------
    content : object
        A state, candidates, a search, or what a file keeps in its global names.
    path : str
        Its name, such as `state`.
    """
    return dict(_walk(content, path, 0))


def changed_paths(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the paths that differ, in their order."""
    return [path for path in {**before, **after} if before.get(path) != after.get(path)]


def _walk(content: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(content, np.ndarray):
        data = content.tobytes() if content.dtype != object else repr(content).encode()
        yield path, hashlib.sha256(f"{content.dtype} {content.shape} ".encode() + data).hexdigest()
        return
    parts = list(_parts(content, path)) if depth < DEPTH_MAX else []
    if parts:
        for place, part in parts:
            yield from _walk(part, place, depth + 1)
    elif not isinstance(content, Evaluator):  # tables that a search computes as it goes
        yield path, hashlib.sha256(_text(content).encode()).hexdigest()


def _parts(content: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield what an object consists of; nothing of one that is a single value."""
    if isinstance(content, Ranking):
        yield f"{path}.sets", repr(content.sets)
    elif is_dataclass(content) and not isinstance(content, type):
        for entry in fields(content):
            yield f"{path}.{entry.name}", getattr(content, entry.name)
        for name, attribute in vars(type(content)).items():
            # Computed now: otherwise the first module that reads it would seem to change something.
            if isinstance(attribute, cached_property):
                yield f"{path}.{name}", getattr(content, name)
    elif isinstance(content, Mapping):
        for key, part in content.items():
            yield f"{path}[{key!r:.40}]", part
    elif isinstance(content, list | tuple) and any(_is_compound(part) for part in content):
        for place, part in enumerate(content):
            yield f"{path}[{place}]", part


def _is_compound(part: object) -> bool:
    return isinstance(part, np.ndarray | Mapping | list)


def _text(content: object) -> str:
    """Return the text of a single value; a set in an order that does not depend on hashes."""
    if isinstance(content, set | frozenset):
        return repr(sorted(map(repr, content)))
    if isinstance(content, BaseModel):
        return content.model_dump_json(serialize_as_any=True, fallback=repr)
    return repr(content)
