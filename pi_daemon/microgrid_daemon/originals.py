"""Settings of inverters on the daemon's disk: as they were found, and when they were written."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping

from .pi30.settings import SettingValue, WriteLedger, WriteLimits
from .store import Store

_LOGGER = logging.getLogger(__name__)
_KEPT_S = 2 * 86_400.0
"""The limits of writing look a day back."""


class StoredKeeper:
    """A keeper of originals that outlives a crash."""

    def __init__(self, store: Store) -> None:
        """Keep them in the daemon's file."""
        self._store = store

    def originals(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was found and is not back yet, in the order in which it was changed."""
        rows = self._store.ask(
            "SELECT setting, value FROM original WHERE device = ? ORDER BY number", serial_number
        )
        return {setting: json.loads(value) for setting, value in rows}

    def written(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was written over the originals, where somebody said so."""
        rows = self._store.ask("SELECT setting, value FROM held WHERE device = ?", serial_number)
        return {setting: json.loads(value) for setting, value in rows}

    def before(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what stood there when that was written: after a crash it may still stand there."""
        rows = self._store.ask("SELECT setting, before FROM held WHERE device = ?", serial_number)
        return {setting: json.loads(value) for setting, value in rows}

    def remember(
        self, serial_number: str, key: str, original: SettingValue, written: SettingValue | None = None
    ) -> None:
        """Keep what was found before the first change, which stays, and the newest written over it."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO original (device, setting, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (serial_number, key, json.dumps(original)),
            )
            if written is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO held (device, setting, value, before) VALUES (?, ?, ?, ?)",
                    (serial_number, key, json.dumps(written), json.dumps(original)),
                )

    def forget(self, serial_number: str, key: str) -> None:
        """It is back, or somebody else wants it otherwise.

        On a disk that takes nothing it stays, which the log says: bringing back twice does no harm.
        """
        try:
            with self._store.transaction() as connection:
                for table in ("original", "held"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE device = ? AND setting = ?", (serial_number, key)
                    )
        except sqlite3.OperationalError as error:
            _LOGGER.error("%s of %s stays noted as changed: %s", key, serial_number, error)


class StoredLedger(WriteLedger):
    """Counts writes over restarts: a daemon that starts every minute must not wear a device out."""

    def __init__(self, store: Store, device: str, limits: WriteLimits | None = None) -> None:
        """Go on with what was written before."""
        self._store = store
        self._device = device
        super().__init__(limits or WriteLimits())
        rows = store.ask("SELECT setting, time_s FROM written WHERE device = ? ORDER BY time_s", device)
        for key, time_s in rows:
            super().note(key, time_s)

    def note(self, key: str, time_s: float) -> None:
        """Count a write, on the disk before it is sent."""
        super().note(key, time_s)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO written (device, setting, time_s) VALUES (?, ?, ?)", (self._device, key, time_s)
            )
            # What a clock that was wrong put into the future goes, too.
            connection.execute(
                "DELETE FROM written WHERE device = ? AND abs(time_s - ?) > ?",
                (self._device, time_s, _KEPT_S),
            )
