"""A Victron ESS at a real broker: what its regulation makes of a set-point, at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from microgrid_core.gx.value import Address, Value
from simulator.gx.broker_side import BrokerSide, Habits
from simulator.gx.station import Station

SETPOINT = Address("hub4", 0, "/Overrides/Setpoint")
MOST_DISCHARGE = Address("hub4", 0, "/Overrides/MaxDischargePower")
_INVERTER_W = 4000.0
_OWN_SETPOINT_W = 50.0


class Ess:
    """Holds the power at the grid's meter, as far as inverter and battery can."""

    def __init__(self) -> None:
        self.station = Station()
        self.load_w, self.sun_w, self.soc, self.floor = 1000.0, 0.0, 60.0, 10.0
        self.worst_discharge_w = 0.0
        """The most that ever flowed out."""
        self.station.add(
            "hub4",
            0,
            {
                "/DeviceInstance": 0,
                "/Overrides/Setpoint": None,
                "/Overrides/ForceCharge": 0,
                "/Overrides/MaxDischargePower": -1.0,
            },
        )
        self.station.add("settings", 0, {"/Settings/CGwacs/Hub4Mode": 1})
        self.station.add("vebus", 276, {"/Mode": 3, "/VebusError": 0})
        self._busy = False
        self.regulate()
        self.station.listen(self._changed)

    def value(self, address: Address) -> Value:
        """What stands on the D-Bus."""
        return self.station.items[address].value

    def set(self, service: str, instance: int, path: str, value: Value) -> None:
        """Something on the D-Bus changes."""
        self.station.set(Address(service, instance, path), value)

    @property
    def battery_w(self) -> float:
        """Positive while discharging."""
        value = self.value(Address("system", 0, "/Dc/Battery/Power"))
        assert isinstance(value, float)
        return -value

    @property
    def free(self) -> bool:
        """Whether nobody holds it."""
        return self.value(SETPOINT) is None and self.value(MOST_DISCHARGE) == -1

    def _changed(self, address: Address) -> None:
        if address.service == "hub4" and not self._busy:
            self.regulate()

    def regulate(self) -> None:
        """Bring the grid to its set-point."""
        setpoint, most = self.value(SETPOINT), self.value(MOST_DISCHARGE)
        wanted_w = float(setpoint) if isinstance(setpoint, int | float) else _OWN_SETPOINT_W
        most_w = float(most) if isinstance(most, int | float) and most >= 0 else _INVERTER_W
        if self.soc <= self.floor:
            most_w = 0.0
        net_w = self.load_w - self.sun_w
        battery_w = min(max(net_w - wanted_w, -_INVERTER_W), most_w, _INVERTER_W)
        self.worst_discharge_w = max(self.worst_discharge_w, battery_w)
        self._busy = True
        values: dict[str, Value] = {
            "/Dc/Battery/Soc": self.soc,
            "/Dc/Battery/Power": -battery_w,
            "/Dc/Battery/Voltage": 52.0,
            "/Dc/Battery/Current": -battery_w / 52.0,
            "/Dc/Battery/Temperature": 21.0,
            "/Ac/Grid/L1/Power": net_w - battery_w,
            "/Ac/Grid/L2/Power": None,
            "/Control/ActiveSocLimit": self.floor,
        }
        if Address("system", 0, "/Dc/Battery/Soc") not in self.station.items:
            self.station.add("system", 0, values)
        for path, value in values.items():
            self.station.set(Address("system", 0, path), value)
        self._busy = False


@contextmanager
def at_broker(ess: Ess, port: int) -> Iterator[BrokerSide]:
    """The GX is there."""
    side = BrokerSide(ess.station, port, habits=Habits(heartbeat_s=0.2))
    side.start()
    try:
        yield side
    finally:
        side.stop()
