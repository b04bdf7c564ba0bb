"""The application: all routes over one home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from host.http.problems import add_problem_handlers
from host.http.routes import (
    ab_test,
    configs,
    device,
    dry_run,
    events,
    health,
    pairing,
    plans,
    presets,
)
from host.version import version

if TYPE_CHECKING:
    from host.http.api import Api

TITLE: Final = "arduino-trader"
DESCRIPTION: Final = """\
Plans, configurations and health of the appliance.

Every object carries `schema_version`, which is raised when a key changes its meaning; new keys do
not raise it. Errors are problems (RFC 9457) with the text of the command line in `detail`.
"""
TAGS: Final = (
    {"name": "health", "description": "Does it work, and if not, what to do."},
    {"name": "plans", "description": "What to buy and sell next."},
    {"name": "configurations", "description": "How a bucket is planned, and every version of it."},
    {"name": "presets", "description": "Named configurations."},
    {"name": "events", "description": "Everything that happened, from the press to the frame."},
    {"name": "appliance", "description": "Buckets, modules, metrics."},
    {"name": "pairing", "description": "A token for a device, by a code from the matrix."},
)
ROUTERS: Final = (
    health.router,
    plans.router,
    configs.router,
    dry_run.router,
    ab_test.router,
    presets.router,
    events.router,
    device.router,
    pairing.router,
)


def build_app(api: Api) -> FastAPI:
    """Return the application that serves a home."""
    app = FastAPI(
        title=TITLE,
        version=version(),
        description=DESCRIPTION,
        openapi_tags=[dict(tag) for tag in TAGS],
        # Their pages load scripts from elsewhere; the appliance may have no network.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        lifespan=_close_at_the_end,
    )
    app.state.api = api
    add_problem_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


@asynccontextmanager
async def _close_at_the_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.api.close()


def _operation_id(route: APIRoute) -> str:
    return route.name
