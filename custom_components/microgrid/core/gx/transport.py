"""What every way to a station can do, so that nobody else needs to know which one it is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from .tree import Tree
from .value import Address, Scalar, Told

READ_TIMEOUT_S: Final = 5.0


class LinkState(StrEnum):
    """How a station is to be reached now."""

    CONNECTING = "connecting"
    LOADING = "loading"
    """Connected; the first full picture is not there yet."""
    ONLINE = "online"
    SILENT = "silent"
    """Connected, but the station gives no sign of life."""
    LOST = "lost"
    """Not connected; it is tried again."""
    REFUSED = "refused"
    """The login or the certificate is wrong; nothing is tried again without a person."""
    STOPPED = "stopped"


class Transport(Protocol):
    """One way to one station."""

    tree: Tree

    @property
    def state(self) -> LinkState:
        """How it stands."""

    @property
    def detail(self) -> str:
        """Why it stands so, in a sentence; empty when all is well."""

    @property
    def writable(self) -> bool:
        """Whether writes may succeed at all."""

    @property
    def takes_null(self) -> bool:
        """Whether null can be written: it alone gives up some overrides."""

    def watch(self, listener: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `listener` when the state changes; returns the way to stop it."""

    async def run(self) -> None:
        """Keep the tree up to date until cancelled, over every outage.

        Raises AccessRefused and WrongCertificate, and nothing else: the rest is waited out.
        """

    async def read(self, address: Address, timeout_s: float = READ_TIMEOUT_S) -> Told:
        """Ask for one value now; raises Unreachable when nothing comes."""

    async def write(self, address: Address, value: Scalar) -> None:
        """Send one value. Whether the device took it shows in the tree; `control` sees to that."""


class Link:
    """The state of a transport and who wants to know of it; the common part of all of them."""

    takes_null = True

    def __init__(self) -> None:
        """Begin stopped."""
        self._state = LinkState.STOPPED
        self._detail = ""
        self._watchers: list[Callable[[LinkState], None]] = []

    @property
    def state(self) -> LinkState:
        """How it stands."""
        return self._state

    @property
    def detail(self) -> str:
        """Why it stands so."""
        return self._detail

    def watch(self, listener: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `listener` when the state changes; returns the way to stop it."""
        self._watchers.append(listener)

        def stop() -> None:
            if listener in self._watchers:
                self._watchers.remove(listener)

        return stop

    def become(self, state: LinkState, detail: str = "") -> None:
        """Change the state and say so."""
        changed = state is not self._state
        self._state, self._detail = state, detail
        if changed:
            for listener in tuple(self._watchers):
                listener(state)
