"""Generator of docs/api.md: every route, from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from host.home.home import Home
from host.http.access import LoopbackAccess
from host.http.api import Api
from host.http.app import build_app
from host.http.bodies import JSON

HEAD = """\
# The HTTP API

For programs on the same computer: health, plans, configurations, presets, events, metrics. It is
off by default and needs an extra: `pip install 'arduino-trader[web]'`. This page is generated from
the routes by `python tools/generate.py`.

    trader serve                  serve the home at the address of device.toml
    trader serve --port 9000      at another port

```toml
[web]
host = "127.0.0.1"   # an address of this computer; every other one is refused
port = 8484
```

```sh
curl localhost:8484/planner/health/core
curl -H 'Content-Type: application/toml' --data-binary @new.toml \\
  localhost:8484/satellites/core/dry-run
```

`GET /openapi.json` is this page for programs: OpenAPI 3.1, with the schema of every body.

**Answers** are the objects of the command line's `--json` ([json.md](json.md)). `schema_version` is
raised when a key changes its meaning; new keys do not raise it.

**Errors** are problems (RFC 9457, `application/problem+json`): `title`, `status`, `detail` with the
text of the command line, `code` (the kind of problem; it never changes), and `problems` with
`line`, `column` and `message` of everything that is wrong in a text.

**Requesting a plan.** While a plan of the bucket is under way, requests join it, and so do presses
of the button. With a daemon its planner makes the plan, and the board shows it; without one
`trader serve` plans by itself. Follow it at `Location` until it is stored.

```sh
curl -i -X POST localhost:8484/buckets/core/plans    # 202, with the place where to follow it
curl localhost:8484/buckets/core/plans/latest
```

**Changing a configuration.** Read it, and send its `ETag` back as `If-Match` with the new text. If
anybody changed file or version meanwhile, the answer is 412, and nothing was saved.

```sh
curl -i localhost:8484/buckets/core/config        # ETag: "3-9f86d081884c7d65"
curl -X PUT -H 'If-Match: "3-9f86d081884c7d65"' -H 'Content-Type: application/toml' \\
  --data-binary @new.toml 'localhost:8484/buckets/core/config?reason=fewer+trades'
```

**Events** come as server-sent events, each with its number in the journal as its id. A client that
connects again with `Last-Event-ID` gets what it missed; browsers do this by themselves. A slow
client misses nothing either. Which types there are: [events.md](events.md).

**From elsewhere.** The API listens on this computer only. From another one, use SSH:
`ssh -L 8484:localhost:8484 BOARD`, then `curl localhost:8484/health`.

**Limits.** A body has at most 256 KB, a configuration 64 KB. Dry runs are made one at a time, in a
process of their own; when five wait, the next is answered 429. So is the 101st event stream.

"""


def api_markdown() -> str:
    """Return the page."""
    api = Api(Home(Path("none")), LoopbackAccess())
    return HEAD + "\n".join(_sections(build_app(api).openapi()))


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name'].capitalize()}\n\n{tag['description']}\n"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _route(f"{method.upper()} {path}", operation)


def _route(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{title}`\n\n{operation['description']}\n"
    queries = [p for p in operation.get("parameters", []) if p["in"] != "path"]
    for parameter in queries:
        description = parameter.get("description", "")
        yield f"- {parameter['in']} `{parameter['name']}`: {description}"
    if queries:
        yield ""
    body = operation.get("requestBody")
    if body is not None:
        types = " or ".join(f"`{kind}`" for kind in body["content"])
        optional = "" if body["required"] else ", optional"
        yield f"Body ({types}{optional}):\n\n{_json(body['content'][JSON]['example'])}"
    problems = []
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if JSON in content:
            yield f"{status}: {response['description']}\n\n{_json(content[JSON]['example'])}"
        elif status.startswith("2"):
            kind = next(iter(content), "")
            example = f"\n\n```\n{content[kind]['example']}```\n" if kind else "\n"
            yield f"{status}: {response['description']}{f' `{kind}`.' if kind else ''}{example}"
        else:
            problems.append(status)
    yield f"Problems: {', '.join(problems)}.\n"


def _json(example: object) -> str:
    return f"```json\n{json.dumps(example, indent=1, ensure_ascii=False)}\n```\n"
