"""Certificates as an installer makes them for his broker: a CA, and what it signs; good ones and bad ones."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


def _openssl(*words: str | Path) -> None:
    if (program := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed: no certificates can be made")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def authority(folder: Path, name: str) -> Pair:
    """A CA of one's own."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", pair.key, "-out", pair.cert, "-days", "3650", "-subj", f"/CN={name}"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),  # stricter checks from Python 3.13 on want it
    )
    return pair


def signed(folder: Path, by: Pair, name: str, *, names: str = "IP:127.0.0.1", expired: bool = False) -> Pair:
    """A certificate for `names`; one that has expired was valid for a day two days ago."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(
        f"[usr]\nsubjectAltName={names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    _openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", pair.key, "-out", request, "-subj", f"/CN={name}"),
    )
    database = folder / f"{name}.index"
    database.touch()
    settings = folder / f"{name}.cnf"
    settings.write_text(
        "[ca]\ndefault_ca=own\n[own]\n"
        f"database={database}\nnew_certs_dir={folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
        "[any]\ncommonName=supplied\n"
    )
    validity = (
        ("-startdate", "20260101000000Z", "-enddate", "20260102000000Z") if expired else ("-days", "365")
    )
    _openssl(
        *("ca", "-batch", "-config", settings, "-cert", by.cert, "-keyfile", by.key, "-in", request),
        *("-out", pair.cert, "-notext", "-extfile", extensions, "-extensions", "usr", *validity),
    )
    return pair
