"""All kinds of nodes by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .battery import BATTERY
from .gateway import GATEWAY
from .heat_pump import HEAT_PUMP
from .house import HOUSE
from .metric import DeviceKind
from .mpp_inverter import MPP_INVERTER
from .site import SITE
from .victron_gx import VICTRON_GX

KINDS: Mapping[str, DeviceKind] = MappingProxyType(
    {kind.kind: kind for kind in (HOUSE, GATEWAY, HEAT_PUMP, MPP_INVERTER, BATTERY, VICTRON_GX, SITE)}
)
