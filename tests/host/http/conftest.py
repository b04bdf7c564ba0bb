"""A served home, and a client of it: the real server, on a free port of this computer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import httpx
import pytest

from host.home.access.token_store import Right, TokenStore
from host.home.config.device_settings import WebTable
from host.home.home import Home, create_home
from host.http.access import open_access
from host.http.address import url_at
from host.http.api import Api
from host.http.server import ApiServer, open_listener
from host.http.throttle import ThrottleLimits

JOIN_S = 20.0
"""A server that ends in order needs less than a second."""


@contextmanager
def served(home: Home) -> Iterator[httpx.Client]:
    """Serve a home in a thread; yield a client that may read and write."""
    server = ApiServer(Api(home, open_access(home, WebTable(), ThrottleLimits())))
    token = TokenStore(home).add("test", Right.WRITE, "terminal")
    headers = {"Authorization": f"Bearer {token}"}
    with open_listener("127.0.0.1", 0) as listener:
        url = url_at("127.0.0.1", listener.getsockname()[1], has_tls=False)
        loops: Queue[asyncio.AbstractEventLoop] = Queue()

        async def serve() -> None:
            loops.put(asyncio.get_running_loop())
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        loop = loops.get()
        try:
            with httpx.Client(base_url=url, headers=headers, timeout=60.0) as client:
                yield client
        finally:
            loop.call_soon_threadsafe(server.stop)
            thread.join(JOIN_S)
            assert not thread.is_alive(), "the server ends when it is told to"


@pytest.fixture
def client(own_home: Home) -> Iterator[httpx.Client]:
    """A client of a demo home that a test may change."""
    with served(own_home) as one:
        yield one


@pytest.fixture(scope="module")
def demo_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a demo home that many requests may change."""
    home = create_home(tmp_path_factory.mktemp("api") / "home", demo=True).home
    with served(home) as one:
        yield one
