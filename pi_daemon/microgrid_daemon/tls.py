"""Whom the connection to the broker trusts, who we are to it, and what to do when it fails."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Final

from .config import BrokerConfig

_NO_TLS = "there is no TLS at this port: it is usually 8883; without TLS remove `tls = true`"
_REMEDIES: Final = (
    (
        "Hostname mismatch",
        "the broker's certificate is for another name: `host` must be a name that stands in it",
    ),
    (
        "IP address mismatch",
        "the broker's certificate is not for this address: `host` must be a name that it has",
    ),
    ("certificate has expired", "the broker's certificate has expired: renew it (or set the clock here)"),
    ("certificate is not yet valid", "the broker's certificate is not valid yet: set the clock here"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "nobody whom we trust signed the broker's certificate: `ca_file` must be that of its CA",
    ),
    ("WRONG_VERSION_NUMBER", _NO_TLS),
    ("RECORD_LAYER_FAILURE", _NO_TLS),
    ("UNEXPECTED_EOF", _NO_TLS),
    ("CERTIFICATE_REQUIRED", "the broker wants a certificate of us: set `cert_file` and `key_file`"),
    (
        "HANDSHAKE_FAILURE",
        "the broker wants a certificate of us, or other ciphers: set `cert_file` and `key_file`",
    ),
    (
        "ALERT_UNKNOWN_CA",
        "the broker does not know who signed our `cert_file`: its cafile must be that of our CA",
    ),
    ("CERTIFICATE_EXPIRED", "our `cert_file` has expired: make a new one"),
    (
        "ALERT_BAD_CERTIFICATE",
        "the broker does not accept our `cert_file`: is it for clients, and not revoked?",
    ),
    ("Not authorized", "check `user` and the password, and what the broker allows this user"),
    ("Bad user name or password", "check `user` and the password"),
)
"""By a part of what TLS or MQTT says; the first that fits."""
CLOSED: Final = "it was closed before it answered: with TLS (port 8883) set `tls = true`"


def context(broker: BrokerConfig) -> ssl.SSLContext:
    """Return what a connection is made with; raises OSError that names the file and the remedy."""
    ca_file = broker.ca_file
    try:
        made = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError as error:
        raise _unusable(ca_file, "a certificate in PEM form", error) from error
    except OSError as error:
        raise _unreadable(ca_file, error) from error
    if broker.cert_file is not None:
        try:
            made.load_cert_chain(broker.cert_file, broker.key_file)
        except ssl.SSLError as error:
            what = f"a certificate in PEM form that fits {broker.key_file}"
            raise _unusable(broker.cert_file, what, error) from error
        except OSError as error:
            missing = broker.cert_file if not broker.cert_file.exists() else broker.key_file
            raise _unreadable(missing, error) from error
    return made


def _unusable(path: Path | None, what: str, error: ssl.SSLError) -> OSError:
    return OSError(f"{path}: must be {what} ({error.reason or error})")


def _unreadable(path: Path | None, error: OSError) -> OSError:
    why = f"{error.strerror}: is it there, and readable for the user microgrid?"
    return type(error)(error.errno, why, str(path))


def remedy(why: OSError | str) -> str:
    """Say why there is no connection and what to do."""
    if isinstance(why, socket.gaierror):
        return f"no such host ({why.strerror}): check `host`, and whether this machine resolves it"
    if isinstance(why, ConnectionRefusedError):
        return "nobody listens there: does the broker run, and is `port` right?"
    if isinstance(why, TimeoutError):
        return "no answer: is the address right, and does a firewall let us through?"
    if isinstance(why, ConnectionResetError):  # in the middle of the handshake
        return _NO_TLS
    text = str(why)
    return next((f"{meant} ({text})" for part, meant in _REMEDIES if part in text), text)
