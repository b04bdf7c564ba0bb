"""Show the code of an open pairing window on the matrix, and open or close it by a press.

The window is a file (`host.home.access.pairing`), so the matrix also shows a window that `trader
pair` opened, and no longer shows one that a device has used.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from host.display.compositor import PairingView
from host.errors import HostError
from host.home.access.certificate import read_certificate
from host.home.access.pairing import Pairing
from host.home.access.secret_file import SecretFileError
from host.home.storage.atomic_file import make_folder
from host.home.storage.folder_watch import FolderWatch
from host.telemetry.events import StateNotKept

if TYPE_CHECKING:
    from host.appliance.presses.recorder import Recorder
    from host.appliance.screen import Screen
    from host.home.access.pairing import PairingWindow
    from host.home.home import Home

QUIET_S: Final = 0.05
"""A try writes the file twice at most; the matrix need not follow each write."""


class PairingWatcher:
    """Follows the pairing window of a home.

    Parameters
    ----------
    home : Home
    recorder : Recorder
    screen : Screen
    has_tls : bool
        Whether the API is encrypted; then the fingerprint is shown after the code.
    """

    def __init__(self, home: Home, recorder: Recorder, screen: Screen, *, has_tls: bool) -> None:
        self._home = home
        self._pairing = Pairing(home)
        self._recorder = recorder
        self._screen = screen
        self._has_tls = has_tls
        self._wish: bool | None = None
        self._wake = asyncio.Event()

    def open(self) -> None:
        """Open the window soon."""
        self._wish = True
        self._wake.set()

    def close(self) -> None:
        """Close the window soon."""
        self._wish = False
        self._wake.set()

    async def serve(self) -> None:
        """Follow the window, forever."""
        with suppress(HostError):  # a full disk: no window can be opened either
            await asyncio.to_thread(make_folder, self._home.secrets_dir)
        with FolderWatch(self._home.secrets_dir) as watch:
            while True:
                await self.update()
                tasks = [
                    asyncio.ensure_future(watch.change(QUIET_S)),
                    asyncio.ensure_future(self._wake.wait()),
                ]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    async def update(self) -> None:
        """Do what a press asked for, and show the window as it is now."""
        wish, self._wish = self._wish, None
        self._wake.clear()
        try:
            if wish is not None:
                await asyncio.to_thread(self._pairing.open if wish else self._pairing.close)
            window = await asyncio.to_thread(self._pairing.window)
            groups = await asyncio.to_thread(self._fingerprint)
        except HostError as error:
            self._recorder.publish(StateNotKept(problem=str(error)))
            window, groups = None, ()
        self._show(window, groups)

    def _fingerprint(self) -> tuple[str, ...]:
        if not self._has_tls:
            return ()
        try:
            certificate = read_certificate(self._home)
        except SecretFileError:
            return ()  # a finding of `trader health`
        return () if certificate is None else certificate.short_fingerprint

    def _show(self, window: PairingWindow | None, groups: tuple[str, ...]) -> None:
        screen = self._screen
        shown = screen.state.pairing
        if window is None:
            if shown is not None:
                screen.update(screen.state.with_pairing(None))
        elif shown is None or (shown.code, shown.fingerprint) != (window.code, groups):
            now_s = screen.now_s()
            view = PairingView(window.code, groups, now_s, now_s + self._pairing.left_s(window))
            screen.update(screen.state.with_pairing(view))
