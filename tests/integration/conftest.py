"""Home Assistant in this process, with our integration to be found in it."""

from __future__ import annotations

import logging

import pytest
from homeassistant.components.mqtt.models import SubscriptionID
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

# Before any fixture runs, or the custom_components folder of the test plugin is taken for ours.
import custom_components.microgrid  # noqa: F401  (imported for its effect)

# The plugin sets this logger to INFO, and the recorder's thread then prints every statement past the capture.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def our_integration_is_found(request: pytest.FixtureRequest) -> None:
    """Lets every test that starts Home Assistant load the integration.

    A test that wants the recorder must get it before Home Assistant is made, and that is what happens here.
    """
    if "hass" in request.fixturenames:
        if "recorder_mock" in request.fixturenames:
            request.getfixturevalue("recorder_mock")
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A folder for each test: the archive lies in it, and only one Home Assistant may write there."""
    return hass_tmp_config_dir


@pytest.fixture
def expected_lingering_timers(request: pytest.FixtureRequest) -> bool:
    """The MQTT client of Home Assistant leaves its housekeeping timer behind; nothing else may leave one."""
    return any(name.startswith("mqtt_") for name in request.fixturenames)


@pytest.fixture(autouse=True)
def given_up_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Home Assistant 2026.10 subscribes after a pause, and stumbles over a topic that was given up meanwhile.

    In a house that is a line in the log; the tests' plugin lets a test fail that unloads an entry so soon.
    """
    monkeypatch.setattr(SubscriptionID, "get_subscription_id", SubscriptionID.get_or_generate)


@pytest.fixture
async def entry(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> MockConfigEntry:
    """The entry of a swarm called `demo`, set up and listening."""
    config_entry = MockConfigEntry(
        domain="microgrid", title="Demo", unique_id="demo", data={"swarm": "demo", "name": "Demo"}
    )
    config_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(config_entry.entry_id)
    await hass.async_block_till_done()
    return config_entry
