"""Packages that only some exports need; everything else works without them."""

from __future__ import annotations

import importlib
from typing import Any


class ExportError(Exception):
    """An export that cannot be made, with the reason and the remedy."""


def require(package: str, distribution: str, purpose: str) -> Any:
    """Import a package; raises ExportError when it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ExportError(
            f"{purpose} needs the package {distribution}, which is not installed (pip install {distribution})"
        ) from error
