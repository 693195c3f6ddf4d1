"""The whole tree as plain data for diagnostics, without what tells who and where somebody is."""

from __future__ import annotations

import re
from typing import Any, Final

from .tree import Tree
from .value import Value

HIDDEN: Final = "**REDACTED**"
_PATHS: Final = re.compile(
    r"serial|uniqueid|vin\Z|latitude|longitude|/position/|password|passphrase|token|pincode|secret|ssid"
    r"|/network/services|/mgmt/connection|connectioninformation|customname|ipaddress|macaddress|email|/ble/"
    r"|/auth|devicename|deviceid|identifier|location",
    re.IGNORECASE,
)
"""Names of paths that hold such things, also those that the table does not know."""
_TEXTS: Final = re.compile(
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b"  # addresses of networks
    r"|\b(?:[0-9a-f]{2}[:-]?){5}[0-9a-f]{2}\b"  # hardware addresses, and the portal id, which is one
    r"|\bHQ\d{4}[0-9A-Z]{5}\b",  # serial numbers of Victron
    re.IGNORECASE,
)


def redacted(tree: Tree, portal: str | None = None) -> dict[str, dict[str, Any]]:
    """Return every path and value by device; `portal` is hidden wherever it stands."""
    return {
        f"{device.service}/{device.instance}": {
            "present": device.present,
            "paths": {path: _value(path, leaf.value, portal) for path, leaf in sorted(device.leaves.items())},
        }
        for _, device in sorted(tree.devices.items())
    }


def without_addresses(text: str) -> str:
    """Return a text with the addresses of networks and hardware, and serial numbers of Victron, hidden."""
    return _TEXTS.sub(HIDDEN, text)


def hidden(path: str) -> bool:
    """Whether the value of a path is for nobody else's eyes."""
    return _PATHS.search(path) is not None


def _value(path: str, value: Value, portal: str | None) -> Value:
    if value is None or isinstance(value, bool):
        return value
    if hidden(path):
        return HIDDEN
    return _text(value, portal)


def _text(value: Value, portal: str | None) -> Value:
    if isinstance(value, str):
        text = without_addresses(value)
        return text.replace(portal, HIDDEN) if portal else text
    if isinstance(value, list):
        return [_text(item, portal) for item in value]
    if isinstance(value, dict):
        return {key: _value(f"/{key}", item, portal) for key, item in value.items()}
    return value
