"""Generator of docs/api.md: every route, from the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from host.home.config.device_settings import WebTable
from host.home.home import Home
from host.http.access import open_access
from host.http.api import Api
from host.http.app import build_app
from host.http.bodies import JSON
from host.http.documentation import GUARD_PROBLEMS
from host.http.throttle import ThrottleLimits
from host.limits import (
    HTTP_BODY_BYTES_MAX,
    HTTP_BODY_S,
    HTTP_CONNECTIONS_MAX,
    HTTP_CONNECTIONS_PER_ADDRESS_MAX,
    HTTP_FAILURE_WAIT_S,
    HTTP_FAILURES_PER_ADDRESS,
    HTTP_HANDSHAKE_S,
    HTTP_HEAD_BYTES_MAX,
    HTTP_HEAD_S,
    HTTP_IDLE_S,
    HTTP_REST_S,
    HTTP_STREAMS_MAX,
    HTTP_STREAMS_PER_ADDRESS_MAX,
    HTTP_WRITE_S,
    PAIRING_TRIES_MAX,
    TOKENS_MAX,
)

HEAD = f"""\
# The HTTP API

Health, plans, configurations, presets, events and metrics for programs. It is off by default and
needs an extra: `pip install 'arduino-trader[web]'`. This page is generated from the routes by
`python tools/generate.py`.

    trader serve                  serve the home at the address of device.toml
    trader serve --port 9000      at another port
    trader token add phone        print a token: everything that changes something needs one

With `enabled = true` in `device.toml` the daemon (`trader run`) serves it, in a process of its own:
a slow request never delays the board. If it cannot be served, the board works all the same, `trader
health` says why (`api_not_served`), and the daemon tries again within five minutes.

```toml
[web]
enabled = true       # takes effect at the next start of the daemon
host = "127.0.0.1"   # programs on this computer; "0.0.0.0": other computers too, encrypted
port = 8484
```

```sh
curl localhost:8484/planner/health/core
curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/toml' \\
  --data-binary @new.toml localhost:8484/satellites/core/dry-run
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
curl -i -X POST -H "Authorization: Bearer $TOKEN" localhost:8484/buckets/core/plans    # 202
curl localhost:8484/buckets/core/plans/latest
```

**Changing a configuration.** Read it, and send its `ETag` back as `If-Match` with the new text. If
anybody changed file or version meanwhile, the answer is 412, and nothing was saved.

```sh
curl -i localhost:8484/buckets/core/config        # ETag: "3-9f86d081884c7d65"
curl -X PUT -H "Authorization: Bearer $TOKEN" -H 'If-Match: "3-9f86d081884c7d65"' \\
  -H 'Content-Type: application/toml' --data-binary @new.toml \\
  'localhost:8484/buckets/core/config?reason=fewer+trades'
```

**Events** come as server-sent events, each with its number in the journal as its id. A client that
connects again with `Last-Event-ID` gets what it missed; browsers do this by themselves. A slow
client misses nothing either. Events that the journal has no more, or that are damaged, are counted
in an event `gap` without an id. Which types there are: [events.md](events.md).

**Limits.** A body has at most {HTTP_BODY_BYTES_MAX // 1024} KB, a configuration 64 KB, address
and headers {HTTP_HEAD_BYTES_MAX // 1024} KB. Dry runs are made one at a time, in a process of
their own; when five wait, the next is answered 429. Connections and event streams are [limited,
too](#limits-on-connections).

## Security

**What it protects from.** The API serves whoever can reach it, so this is what each of them can
do.

1. A program of the same user on this computer can do everything; it could read the files as well.
2. A program of another user on this computer can read plans and health, and change nothing. With
   `token_for_reads = true` it cannot read either.
3. A web page in a browser on this computer can neither read nor change anything.
4. Another computer cannot connect at all, until you set `web.host`.
5. Then it sees only encrypted bytes, and needs a token to read and to write.
6. Somebody between the two sees and changes nothing, if you compared the fingerprint.
7. Guessing is hopeless: a token has 256 random bits, and a code five tries for each press.
8. Whoever sends too much, too slowly or too often is cut off, and the others are served; the board
   and the planner are other processes or have their own limits.
9. Whoever can read the home's files has everything, and so does root. Whoever holds the board's
   button can let a device in.
10. The API is not made for the open internet. Put a VPN in front of it there.

**From another computer.** The simplest way needs no settings: `ssh -L 8484:localhost:8484 BOARD`,
then `curl localhost:8484/health`. Or let the API listen on the network:

```toml
[web]
host = "0.0.0.0"            # or an address of this computer
names = ["trader.lan"]      # more names that you call it by
```

The unit of the system's service allows only the addresses of this computer;
[service.md](service.md#what-is-written) shows how to allow more.

Then connections are encrypted (TLS 1.2 or 1.3), and reading needs a token, too. With `tls =
"never"` such an address is refused. The first start makes a key and a certificate, in
`secrets/tls.pem`. It holds for 800 days, and is renewed 30 days before its end. It is signed by
its own key, so a device cannot know it yet. Compare the fingerprint that the device shows with
`trader web show`, or with the matrix while [pairing](#pairing). If they differ, somebody else
answers. For a program:

```sh
openssl s_client -connect BOARD:8484 </dev/null | openssl x509 > trader.pem
openssl x509 -in trader.pem -noout -fingerprint -sha256       # compare it
curl --cacert trader.pem -H "Authorization: Bearer $TOKEN" https://BOARD:8484/health
```

**Tokens.** `Authorization: Bearer TOKEN`. `trader token add NAME` prints one, once; `--read`
makes one that may only read. `trader token list` shows names, rights and last uses (to the hour),
and `trader token revoke NAME` ends one at once, with its open streams. Stored is only the
SHA-256, in `secrets/tokens.json`, for its owner alone: a file that others can read is not used,
and `trader health` says so. At most {TOKENS_MAX} devices have one. An address that sends
{HTTP_FAILURES_PER_ADDRESS} wrong tokens or codes in a row gets one more try every
{HTTP_FAILURE_WAIT_S:.0f} s; until then further ones are answered 429. A right token always passes,
and ends the row, so others behind the same address cannot lock it out.

<a id="pairing"></a>
**Pairing** gives a device a token without a terminal. Hold the board's button for 5 s while
nothing is to be cancelled or acknowledged; this works while the daemon serves the API, and any
gesture can be set to `pair` in device.toml. Or run `trader pair`. The matrix shows a code of six
digits, and with TLS the fingerprint ([pictures](display.md#pairing)). The device sends the code
to [`POST /pair`](#post-pair). The window closes after one token, {PAIRING_TRIES_MAX} tries, two
minutes, another hold, or `trader pair --close`.

**Web pages.** A request is answered only if `Host` is `localhost`, the address that it came to,
or one of `web.names`; so a page cannot rebind its name to this computer. Requests with a foreign
`Origin` or `Sec-Fetch-Site` are refused. Nothing allows another site to read an answer (CORS).
Bodies have to be JSON or TOML, which forms cannot send.

**Behind a proxy** requests look as if they came from this computer. If they have `Forwarded`,
`X-Forwarded-For`, `X-Real-IP` or `Via`, or call another name than `localhost`, reading needs a
token. Set `token_for_reads = true` if your proxy sends none of these.

<a id="limits-on-connections"></a>
**Limits on connections.** {HTTP_CONNECTIONS_MAX} at a time, {HTTP_CONNECTIONS_PER_ADDRESS_MAX} of
one address. When there are more, the one that is idle the longest is closed; if all are busy, the
answer is 503. {HTTP_STREAMS_MAX} event streams, {HTTP_STREAMS_PER_ADDRESS_MAX} of one address;
then 429. {HTTP_HANDSHAKE_S:.0f} s for the TLS handshake, {HTTP_HEAD_S:.0f} s for the headers,
{HTTP_BODY_S:.0f} s for a body, {HTTP_WRITE_S:.0f} s for a client that reads nothing,
{HTTP_IDLE_S:.0f} s between two requests. What is still sent of a body after its request was
answered, such as with 401, is read for {HTTP_REST_S:.0f} s and {HTTP_BODY_BYTES_MAX // 1024} KB;
then the connection is closed.

**Backups** leave `secrets/` out, unless you add `--with-secrets`. A restored home then has no
tokens, and makes another certificate; pair the devices again. A backup with secrets is as secret
as they are.

"""


def api_markdown() -> str:
    """Return the page."""
    home = Home(Path("none"))
    api = Api(home, open_access(home, WebTable(), ThrottleLimits()))
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
        elif int(status) not in GUARD_PROBLEMS:
            problems.append(status)
    yield f"Problems: {', '.join(problems)}.\n"


def _json(example: object) -> str:
    return f"```json\n{json.dumps(example, indent=1, ensure_ascii=False)}\n```\n"
