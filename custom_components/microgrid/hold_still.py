"""Files that hold still while a backup copies them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from homeassistant.core import HomeAssistant

from .core.archive.errors import ArchiveError

_LOGGER = logging.getLogger(__name__)


async def hold_still(hass: HomeAssistant, writing: asyncio.Lock, checkpoint: Callable[[], None]) -> None:
    """Take the lock of all that write, and bring the files into one.

    What a checkpoint that fails would have moved lies beside them and is copied, too.
    """
    await writing.acquire()
    try:
        await hass.async_add_executor_job(checkpoint)
    except (ArchiveError, sqlite3.Error, OSError) as error:
        _LOGGER.warning("a backup copies files with their write-ahead log: %s", error)
    except BaseException:
        writing.release()
        raise
