"""Any `ai_task` entity of Home Assistant as the one who explains: other services, and models in the house."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.helpers import selector

from .core.diagnosis.explanation.dossier import QUESTIONS, Dossier

TASK_NAME: Final = "microgrid fault explanation"


async def async_generate(hass: HomeAssistant, entity_id: str, dossier: Dossier) -> object:
    """Ask an entity; returns what it answered, unchecked. HomeAssistantError says why nothing came."""
    # Brings conversation, cameras and more with it, which only they need who chose this.
    from homeassistant.components import ai_task

    result = await ai_task.async_generate_data(
        hass,
        task_name=TASK_NAME,
        entity_id=entity_id,
        instructions=f"{dossier.rules()}\n\n{dossier.evidence()}",
        structure=_structure(dossier),
    )
    return result.data


def can_generate(hass: HomeAssistant, entity_id: str) -> bool:
    """Whether an entity is there and gives data."""
    state = hass.states.get(entity_id)
    features = 0 if state is None else int(state.attributes.get("supported_features", 0))
    return bool(features & 1)  # AITaskEntityFeature.GENERATE_DATA


def _structure(dossier: Dossier) -> vol.Schema:
    """Return the fields of the answer as selectors, the form in which Home Assistant wants them."""

    def choice(options: list[str], *, multiple: bool = False) -> selector.SelectSelector:
        return selector.SelectSelector(selector.SelectSelectorConfig(options=options, multiple=multiple))

    fields: dict[vol.Marker, Any] = {
        vol.Required("cause_id", description="Id of the cause"): choice(list(dossier.choices)),
        vol.Required("evidence", description="Ids of the evidence relied on"): choice(
            list(dossier.quantities), multiple=True
        ),
    }
    for question, words in QUESTIONS.items():
        fields[vol.Required(question, description=words)] = selector.TextSelector()
    return vol.Schema(fields)
