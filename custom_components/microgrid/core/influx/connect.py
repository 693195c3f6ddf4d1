"""From an address to a server that takes lines."""

from __future__ import annotations

import asyncio
import importlib
from typing import Final

import aiohttp

from .server import Access, Server, Sink
from .v1 import Influx1

_CLASSES: Final = {2: ("v2", "Influx2"), 3: ("v3", "Influx3")}


async def connect(session: aiohttp.ClientSession, access: Access, server: Server) -> Sink:
    """Return what speaks to a server that `detect` found; close it after use."""
    if server.generation not in _CLASSES:
        return Influx1(session, access)
    module, name = _CLASSES[server.generation]
    loop = asyncio.get_running_loop()
    loaded = await loop.run_in_executor(None, importlib.import_module, f".{module}", __package__)
    sink: Sink = getattr(loaded, name)(access, server.generation)
    return sink
