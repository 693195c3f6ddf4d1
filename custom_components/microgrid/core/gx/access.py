"""How a GX is reached over MQTT: address, certificate, login, and the pairing that makes a login."""

from __future__ import annotations

import hashlib
import re
import secrets
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .errors import BadAnswer, WrongCertificate
from .value import parse_json, valid_portal

TLS_PORT: Final = 8883
PLAIN_PORT: Final = 1883
PASSWORD_USER: Final = "remoteconsole"
"""The GX ignores the user name next to its password, unless it is that of a token."""
PAIRING_PATH: Final = "/auth/generate-token/"
PAIRING_WINDOW_S: Final = 120
"""So long a GX stays in pairing mode."""
_ROLE: Final = "homeassistant"
_TOKEN: Final = re.compile(r"token/[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}\Z")
_MAX_PASSWORD: Final = 512
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password; the GX password has PASSWORD_USER."""

    username: str
    password: str = field(repr=False)

    @classmethod
    def with_password(cls, password: str) -> Login:
        """Return the login of the GX's own password."""
        return cls(PASSWORD_USER, password)

    @property
    def token(self) -> bool:
        """Whether it is one that a pairing made; wrong ones of these do not lock out."""
        return self.username.startswith("token/")


@dataclass(frozen=True, slots=True)
class MqttAccess:
    """Where the broker of a GX is and who we are to it."""

    host: str
    port: int = TLS_PORT
    tls: bool = True
    login: Login | None = None
    fingerprint: str | None = None
    """SHA-256 of the certificate, 64 hexadecimal digits; None takes any, for the first contact only.

    Each GX signs its own certificate for `venus.local`, so nobody could vouch for it.
    """
    portal: str | None = None
    """Id of the GX in its topics; None asks for it."""

    def check(self) -> None:
        """Raise ValueError for what cannot be."""
        if not self.host or any(character in self.host for character in "/@ ?#"):
            raise ValueError(f"{self.host!r} is no host: write a name or an address such as venus.local")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is no port: a GX has 8883 (TLS) and 1883")
        if self.fingerprint is not None and _FINGERPRINT.match(self.fingerprint) is None:
            raise ValueError(f"{self.fingerprint!r} is no SHA-256: write 64 hexadecimal digits")
        if self.portal is not None and not valid_portal(self.portal):
            raise ValueError(f"{self.portal!r} is no portal id: 12 hexadecimal digits, as in VRM")

    def candidates(self) -> tuple[MqttAccess, MqttAccess]:
        """Return the two ways to try with an unknown GX: encrypted first, and plain."""
        return (
            replace(self, port=TLS_PORT, tls=True),
            replace(self, port=PLAIN_PORT, tls=False, fingerprint=None),
        )

    def context(self) -> ssl.SSLContext | None:
        """Return what makes the connection safe; reads files, so call it off the event loop."""
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.sslsocket_class = _pinned(self.fingerprint)
        return context


def _pinned(fingerprint: str | None) -> type[ssl.SSLSocket]:
    """Return a socket that speaks to the owner of one certificate only, and hangs up before it logs in."""

    class PinnedSocket(ssl.SSLSocket):
        """Compares the certificate as part of the handshake."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except BaseException:
                self.close()
                raise
            shown = fingerprint_of(self.getpeercert(binary_form=True))
            if fingerprint is not None and shown != fingerprint:
                self.close()
                raise WrongCertificate(shown, fingerprint)

    return PinnedSocket


def fingerprint_of(certificate: bytes | None) -> str:
    """Return the SHA-256 of a certificate in hexadecimal digits."""
    return hashlib.sha256(certificate or b"").hexdigest()


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """What to POST while the GX is in pairing mode, as a form."""

    url: str
    form: dict[str, str]


def pairing_request(host: str, device_id: str | None = None) -> PairingRequest:
    """Return the request for a token of our own.

    The id is random: a token of the same name replaces the old one, and Home Assistant's own integration
    uses the portal id. Whoever took that would lock it out.
    """
    device_id = device_id or f"microgrid{secrets.token_hex(6)}"
    if not device_id.isascii() or not device_id.isalnum():
        raise ValueError(f"{device_id!r} is no device id: letters and digits only")
    return PairingRequest(f"https://{host}{PAIRING_PATH}", {"role": _ROLE, "device_id": device_id})


def parse_pairing(status: int, body: bytes) -> Login:
    """Read the answer to a pairing request; raises BadAnswer with what to do."""
    if status in {401, 403, 404}:
        raise BadAnswer(
            f"the GX answered {status}: switch on its pairing mode (Settings → Integrations → MQTT devices, "
            f"or press its button twice) and try again within {PAIRING_WINDOW_S} seconds"
        )
    told: Any = parse_json(body)
    if status != 200 or not isinstance(told, dict):
        raise BadAnswer(f"the GX answered {status} without a token: its firmware must be 3.80 or newer")
    name, password = told.get("token_name"), told.get("password")
    if (
        not isinstance(name, str)
        or _TOKEN.match(name) is None
        or not isinstance(password, str)
        or not 0 < len(password) <= _MAX_PASSWORD
    ):
        raise BadAnswer("the GX answered with something that is no token")
    return Login(name, password)
