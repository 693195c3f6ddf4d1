"""A whole laboratory: broker, simulated neighbourhood and Home Assistant with the integration set up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from .broker import Broker
from .client import Json
from .errors import LabError
from .hass import COMPONENTS, CONFIGURATION, HomeAssistant
from .neighbourhood import Neighbourhood, Plan
from .processes import LOOPBACK, Child, free_port
from .watcher import Watcher

DOMAIN = "microgrid"
DASHBOARD = "micro-grid"  # Home Assistant wants a hyphen in it
DASHBOARD_CONFIG = {"strategy": {"type": f"custom:{DOMAIN}"}}
FLOWS = "/api/config/config_entries/flow"


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
    ) -> None:
        """Prepare `folder`, where a lab may have been before; nothing runs yet."""
        self.folder = folder
        self.plan = plan
        self.broker = Broker(folder / "broker", program=broker_program)
        self.neighbourhood = Neighbourhood(folder, self.broker.address, plan)
        self.hass = HomeAssistant(
            folder / "config",
            free_port() if port is None else port,
            components=components,
            configuration=configuration,
        )
        self.began = time.monotonic()
        self.running_s = 0.0
        """From the beginning until Home Assistant ran."""
        self._watcher: Watcher | None = None

    @property
    def watcher(self) -> Watcher:
        """Our ear on the broker; only while up."""
        if self._watcher is None:
            raise RuntimeError("the lab is not up")
        return self._watcher

    @property
    def children(self) -> tuple[Child, ...]:
        """What runs, in the order of the start."""
        return self.broker, self.neighbourhood, self.hass

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
        self.hass.point_mqtt_to(self.broker.port, self.broker.protocol)
        await self.hass.up()
        self.running_s = time.monotonic() - self.began
        entries = {entry["domain"] for entry in await self.hass.client.ws("config_entries/get")}
        if "mqtt" not in entries:
            await add_mqtt(self.hass, self.broker)
        if DOMAIN not in entries:
            await self._add_swarm()
        await self._make_dashboard()

    async def down(self) -> None:
        """End everything, the youngest first; a hanging child is killed, none keeps the others alive."""
        self.neighbourhood.kill()  # it has nothing to save, and Home Assistant sees its last wills
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        await self.hass.down()
        await self.broker.stop()

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
