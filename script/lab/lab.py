"""A whole laboratory: broker, simulated neighbourhood and Home Assistant with the integration set up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Self

from . import demonstration, planning, swift, victron
from .broker import Broker
from .client import Json
from .contactors import Contactors
from .errors import LabError
from .firmware import Firmware, Surroundings, swarm
from .hass import COMPONENTS, CONFIGURATION, HomeAssistant
from .neighbourhood import Neighbourhood, Plan
from .processes import LOOPBACK, Child, free_port
from .watcher import Watcher

DOMAIN = "microgrid"
DASHBOARD = "micro-grid"  # Home Assistant wants a hyphen in it
DASHBOARD_CONFIG = {"strategy": {"type": f"custom:{DOMAIN}"}}
FLOWS = "/api/config/config_entries/flow"
SWARM = "demo"  # the simulator's own
_TEND_S = 0.5


class Lab:
    """Everything that the demo and the end-to-end tests run; `async with Lab(…)` starts and ends it."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        *,
        port: int | None = None,
        broker_program: str | None = None,
        components: Iterable[Path] = COMPONENTS,
        configuration: str = CONFIGURATION,
        packages: Path | None = None,
        demo: bool = False,
        ledger: Path | None = None,
    ) -> None:
        """Prepare `folder`, where a lab may have been before; nothing runs yet.

        With `demo` there is a phone that is told of faults, an action that makes some, and an energy planner;
        and a plan with a speed above 1 lives through the week before now. Into `ledger` the simulator writes
        what really flowed.
        """
        self.folder = folder
        self.plan = plan
        self.broker = Broker(folder / "broker", program=broker_program)
        self.clock_report = folder / "clocks.json"
        """How far the clocks of firmware are apart."""
        self.log = folder / "log"
        """Where the simulated nodes keep their logs, as their cards would."""
        self.log.mkdir(parents=True, exist_ok=True)
        extra: tuple[str, ...] = (f"--log={self.log}",)
        self.firmware = Firmware(())
        self._contactors = Contactors(SWARM, ())
        if plan.firmware:
            surroundings = Surroundings(self.broker.address, SWARM)
            gateways = [f"gateway-{number}" for number in range(1, plan.clusters + 1)]
            self._contactors = Contactors(SWARM, gateways)
            nodes = swarm(folder / "firmware", surroundings, plan.clusters_of_houses(), plan.seed)
            self.firmware = Firmware(nodes)
            extra = (
                f"--firmware={surroundings.feed}",
                f"--time-server={surroundings.time_server}",
                f"--clock-report={self.clock_report}",
            )
        if ledger is not None:
            extra = (*extra, f"--ledger={ledger}")
        self.swift: swift.Swift | None = None
        """The clock of a demo that runs faster than ours."""
        if demo and plan.speed > 1.0:
            self.swift = swift.Swift(folder, plan)
            extra = (*extra, *self.swift.of_simulator)
            plan = self.swift.plan
        self.simulated = plan
        """What the simulator is told: the plan, but for the time of day."""
        self.neighbourhood = Neighbourhood(folder, self.broker.address, plan, extra)
        self.hass = HomeAssistant(
            folder / "config",
            free_port() if port is None else port,
            components=(*components, demonstration.COMPONENT) if demo else components,
            configuration=configuration,
            packages=packages,
            clock=None if self.swift is None else self.swift.path,
        )
        self._demo = demo
        # Those who run the real firmware look at houses and gateways, and at every value of theirs. And the
        # simulator of the GX lives in real time.
        with_gx = demo and not plan.firmware and self.swift is None
        self.gx = victron.VictronGx(folder, self.broker.address, plan.recording) if with_gx else None
        if demo:
            demonstration.prepare(self.hass.folder)
        self.began = time.monotonic()
        self.running_s = 0.0
        """From the beginning until Home Assistant ran."""
        self.deaths: list[str] = []
        """What to tell of programs that ended by themselves and were started again."""
        self._watcher: Watcher | None = None
        self._tending: asyncio.Task[None] | None = None

    @property
    def watcher(self) -> Watcher:
        """Our ear on the broker; only while up."""
        if self._watcher is None:
            raise RuntimeError("the lab is not up")
        return self._watcher

    @property
    def children(self) -> tuple[Child, ...]:
        """What runs, in the order of the start."""
        gx = () if self.gx is None else (self.gx,)
        return self.broker, self.neighbourhood, *gx, self.hass

    @property
    def expected(self) -> dict[str, int]:
        """How many nodes of each kind there will be."""
        return self.plan.expected | ({victron.KIND: 1} if self.gx is not None else {})

    async def __aenter__(self) -> Self:
        """Start everything; what was started is ended again when something fails."""
        try:
            await self.up()
        except BaseException:
            await self.down()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End everything."""
        await self.down()

    async def up(self) -> None:
        """Start everything and set it up where that is still to be done."""
        self.began = time.monotonic()
        await self.broker.up()
        self._watcher = Watcher(self.broker.port)
        self.neighbourhood.start()
        self.firmware.start()
        if self.gx is not None:
            self.gx.start()
        self._tending = asyncio.create_task(self._tend())
        self.hass.point_mqtt_to(self.broker.port, self.broker.protocol)
        await self.hass.up()
        self.running_s = time.monotonic() - self.began
        entries = {entry["domain"] for entry in await self.hass.client.ws("config_entries/get")}
        if "mqtt" not in entries:
            await add_mqtt(self.hass, self.broker)
        if DOMAIN not in entries:
            await self._add_swarm()
        if self.gx is not None:
            await victron.join(self.hass.client, DOMAIN, self.broker.port)
        await self._make_dashboard()
        if self._demo:
            await demonstration.set_up(self.hass)
            now = datetime.now().astimezone() if self.swift is None else self.swift.now
            await planning.set_up(self.hass.client, DOMAIN, self.simulated, now)

    async def down(self) -> None:
        """End everything, the youngest first; a hanging child is killed, none keeps the others alive."""
        if self._tending is not None:
            self._tending.cancel()
            self._tending = None
        await self.firmware.stop()
        if self.gx is not None:
            self.gx.kill()
        self.neighbourhood.kill()  # it has nothing to save, and Home Assistant sees its last wills
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        await self.hass.down()
        await self.broker.stop()

    async def _tend(self) -> None:
        while True:
            self.deaths += self.firmware.tend()
            await asyncio.to_thread(self._contactors.tend, self.watcher)
            await asyncio.sleep(_TEND_S)

    async def _add_swarm(self) -> None:
        """Accept what Home Assistant discovered, as the user would."""
        client, deadline = self.hass.client, time.monotonic() + 60
        while True:
            flows = await client.ws("config_entries/flow/progress")
            found = [flow["flow_id"] for flow in flows if flow["handler"] == DOMAIN]
            if found:
                break
            if not self.neighbourhood.running:
                raise self.neighbourhood.died()
            if time.monotonic() > deadline:
                raise LabError(
                    "discovery",
                    f"Home Assistant found no swarm; births seen on the broker: {len(self.watcher.births)}",
                    f"read {self.neighbourhood.log} and {self.hass.log}",
                )
            await asyncio.sleep(0.2)
        result = await client.post(f"{FLOWS}/{found[0]}", {"name": "Neighbourhood"})
        _expect_entry(self.hass, DOMAIN, result)

    async def _make_dashboard(self) -> None:
        """Make our generated dashboard the first page of everybody."""
        client = self.hass.client
        if DASHBOARD not in {board["url_path"] for board in await client.ws("lovelace/dashboards/list")}:
            await client.ws(
                "lovelace/dashboards/create",
                url_path=DASHBOARD,
                title="Microgrid",
                icon="mdi:transmission-tower",
                mode="storage",
                show_in_sidebar=True,
                require_admin=False,
            )
            await client.ws("lovelace/config/save", url_path=DASHBOARD, config=DASHBOARD_CONFIG)
            await client.ws("frontend/set_system_data", key="core", value={"default_panel": DASHBOARD})


async def add_mqtt(hass: HomeAssistant, broker: Broker) -> None:
    """Connect a Home Assistant to a broker, as a user would."""
    result = await hass.client.flow(
        FLOWS,
        {"handler": "mqtt"},
        {
            "broker": LOOPBACK,
            "port": broker.port,
            "protocol": broker.protocol,
            "other_settings": {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"},
        },
    )
    _expect_entry(hass, "mqtt", result)


def _expect_entry(hass: HomeAssistant, domain: str, result: Json) -> None:
    if result["type"] != "create_entry":
        raise LabError(f"entry of {domain}", f"the config flow answered {result}", f"read {hass.log}")
