"""Who may log in to a GX: access setting, security profile, password, tokens, patience with wrong ones."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

_PAIRING_S = 120.0
_DAY_S = 86_400.0


class Access(IntEnum):
    """`/Settings/Services/MqttLocal`."""

    OFF = 0
    ON = 1
    TOKENS = 2


class Profile(IntEnum):
    """`/Settings/System/SecurityProfile`."""

    SECURED = 0
    WEAK = 1
    UNSECURED = 2


@dataclass(slots=True)
class Security:
    """The settings and the memory of one GX."""

    access: Access = Access.ON
    profile: Profile = Profile.SECURED
    password: str = "venus-password"
    tokens: dict[str, str] = field(default_factory=dict)
    """User name `token/<role>/<device id>` → password."""
    burst: int = 20
    """So many new wrong passwords may come at once; one more is allowed each second."""
    per_day: int = 150
    refusal_s: float = 1.0
    """How long a refusal takes; 1 to 6 s on the real thing."""
    clock: Callable[[], float] = time.monotonic
    attempts: int = 0
    """Logins that were tried."""
    _tries: float = field(init=False)
    _refilled: float = field(init=False)
    _wrong: list[float] = field(default_factory=list)
    _known_wrong: set[str] = field(default_factory=set)
    _pairing_until: float = -1.0

    def __post_init__(self) -> None:
        """Begin patient."""
        self._tries, self._refilled = float(self.burst), self.clock()

    @property
    def plain(self) -> bool:
        """Whether port 1883 is open."""
        return self.access is Access.ON and self.profile is not Profile.SECURED

    @property
    def encrypted(self) -> bool:
        """Whether port 8883 is open."""
        return self.access is Access.ON or (self.access is Access.TOKENS and bool(self.tokens))

    def admits(self, username: str | None, password: str | None) -> bool:
        """Decide on one login."""
        self.attempts += 1
        if username is not None and username.startswith("token/"):
            return self.access is not Access.OFF and self.tokens.get(username) == (password or "\0")
        if self.access is not Access.ON:
            return False
        if self.profile is Profile.UNSECURED:
            return True
        if self._exhausted():
            return False
        if password == self.password:
            return True
        if password is not None and password not in self._known_wrong:
            self._known_wrong.add(password)
            self._tries -= 1.0
            self._wrong.append(self.clock())
        return False

    def begin_pairing(self) -> None:
        """Somebody pressed the button."""
        self._pairing_until = self.clock() + _PAIRING_S

    def pair(self, role: str, device_id: str) -> dict[str, str] | None:
        """Make a token, or replace the one of that name; None outside the pairing mode."""
        if self.clock() > self._pairing_until or role != "homeassistant" or not device_id.isalnum():
            return None
        name = f"token/{role}/{device_id}"
        self.tokens[name] = secrets.token_urlsafe(24)
        if self.access is Access.OFF:
            self.access = Access.TOKENS
        return {"token_name": name, "password": self.tokens[name]}

    def _exhausted(self) -> bool:
        now = self.clock()
        self._tries = min(float(self.burst), self._tries + now - self._refilled)
        self._refilled = now
        self._wrong = [when for when in self._wrong if now - when < _DAY_S]
        return self._tries < 1.0 or len(self._wrong) >= self.per_day
