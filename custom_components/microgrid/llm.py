"""What voice assistants may ask: "why did house 7 trip last night?".

They get ids, times, texts of the catalogue and the engine's answers. What devices, operators or others wrote
stays here: a model could take it for an instruction. A house that is asked for by name is looked up here.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.llm import LLMTools
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.llm import LLM_API_ASSIST, LLMContext, Tool, ToolAnnotations, ToolInput, ToolResult
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.archive.errors import ArchiveError
from .core.archive.faults.records import Analysis, RecordedFault
from .core.contract.faults import ALARMS, FAULTS, condition
from .core.diagnosis.cause_texts import checks, meaning
from .core.diagnosis.causes import CAUSES
from .runtime import MicrogridConfigEntry, MicrogridRuntime

MAX_FAULTS: Final = 10
MAX_HOURS: Final = 24 * 366
_ANSWERS: Final = ("what_happened", "has_it_happened_before")
_OF_VERDICT: Final = ("where_did_it_begin", "why", "how_did_it_spread")
"""What the engine says of its own verdict: of no use where another one counts."""


class GetFaults(Tool):
    """Faults of the microgrid, with what was found of each."""

    name = f"{DOMAIN}__get_faults"
    title = "Get microgrid faults"
    description = (
        "Returns the newest faults of the neighbourhood microgrid: time, cause, origin, what to check. "
        "Use it for questions such as why a house or a gateway tripped."
    )
    integration = DOMAIN
    annotations = ToolAnnotations(read_only=True, destructive=False, idempotent=True, open_world=False)
    parameters = vol.Schema(
        {
            vol.Optional("house", description="Only this house or gateway, as the user calls it"): str,
            vol.Optional("hours", description="How far to look back; 24 unless told"): vol.All(
                vol.Coerce(float), vol.Range(min=0, max=MAX_HOURS)
            ),
        }
    )

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: ToolInput, llm_context: LLMContext
    ) -> ToolResult:
        """Look them up."""
        given = self.parameters(tool_input.tool_args)
        start_us = int((dt_util.utcnow() - timedelta(hours=given.get("hours", 24))).timestamp() * 1e6)
        faults: list[Any] = []
        met = False
        for entry in _entries(hass):
            nodes = _nodes(entry.runtime_data, given.get("house"))
            met = met or bool(nodes)
            desk = entry.runtime_data.faults
            if desk.store is None or not nodes:
                continue
            try:
                found = await desk.shelf.read(
                    desk.store.faults, nodes=nodes, start_us=start_us, limit=MAX_FAULTS - len(faults)
                )
            except ArchiveError:
                return ToolResult(data={"error": "the fault store cannot be read"}, error=True)
            faults += [_fault(hass.config.language, *one) for one in found]
        if not met:
            return ToolResult(data={"error": "no house or gateway is called like that"}, error=True)
        return ToolResult(data={"faults": faults})


@callback
def async_get_tools(hass: HomeAssistant, llm_context: LLMContext, api_id: str) -> LLMTools | None:
    """Return what Assist may ask."""
    return LLMTools(tools=[GetFaults()]) if api_id == LLM_API_ASSIST and _entries(hass) else None


def _entries(hass: HomeAssistant) -> list[MicrogridConfigEntry]:
    entries: list[MicrogridConfigEntry] = hass.config_entries.async_entries(DOMAIN)
    return [entry for entry in entries if entry.state is ConfigEntryState.LOADED]


def _nodes(runtime: MicrogridRuntime, called: str | None) -> list[str]:
    """Return the nodes that are called like that: by all of it, or else by a part; all when none is named."""
    names = {node.node_id: node.name for node in runtime.swarm.nodes.values()}
    if called is None:
        return list(names)
    wanted = _plain(called)
    exactly = [node for node, name in names.items() if wanted in (_plain(name), _plain(node))]
    return exactly or [node for node, name in names.items() if wanted and wanted in _plain(name)]


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _fault(language: str, fault: RecordedFault, analysis: Analysis | None) -> JsonObjectType:
    told: dict[str, Any] = {
        "node": fault.node,
        "time": dt_util.as_local(dt_util.utc_from_timestamp(fault.time_us / 1e6)).isoformat(
            timespec="seconds"
        ),
        "over": fault.cleared_us is not None,
        # One that the catalogue does not have is the word of a device.
        "code": fault.code if fault.code in FAULTS or fault.code in ALARMS else None,
        "fault": condition(fault.code).text(language).name,
    }
    if analysis is None:
        return {**told, "diagnosis": None}
    report = json.loads(analysis.report) or {}
    answers = report.get("answers", {})
    names = (*_ANSWERS, *_OF_VERDICT) if report.get("cause") == analysis.cause else _ANSWERS
    return {
        **told,
        "diagnosis": {
            "cause": analysis.cause,
            "meaning": meaning(analysis.cause, language) if analysis.cause in CAUSES else None,
            "origin": analysis.origin,
            "confidence": round(analysis.confidence, 2),
            "check_first": [*checks(analysis.cause, language)] if analysis.cause in CAUSES else [],
            **{name: answers[name] for name in names if name in answers},
        },
    }
