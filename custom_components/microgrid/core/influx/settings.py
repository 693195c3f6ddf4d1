"""What a person tells about a server, and the way in that follows from it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .server import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxSettings:
    """Settings as they are stored."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    organisation: str = ""
    verify_tls: bool = True
    ca_certificate: str = field(default="", repr=False)
    """PEM of the authority that signed the server's certificate, or of this certificate itself."""

    def access(self) -> Access:
        """Return the way in; reads certificates, so it blocks. Raises ValueError for what cannot be right."""
        access = Access(
            self.url.rstrip("/"),
            self.username,
            self.password,
            self.token,
            self.organisation,
            self._tls() if urlsplit(self.url).scheme == "https" else None,
        )
        access.check()
        return access

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=self.ca_certificate.strip() or None)
        except ssl.SSLError as error:
            raise ValueError(
                "the certificate is none: paste the whole text from BEGIN CERTIFICATE to END CERTIFICATE"
            ) from error
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
