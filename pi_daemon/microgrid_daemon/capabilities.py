"""What an inverter can be told from afar, as its birth declares it, and why else a command is refused.

A command `set_<setting>` has one parameter, `value`; the metric with the name of the setting reads it back.
What the configuration does not allow is not declared, and what is not declared is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from microgrid_core.contract.messages import Command, CommandCapability, Parameter, ParameterType

from .inverter import Inverter

QUERY: Final = "query"
QUESTION: Final = "command"
RESUME: Final = "resume_writing"
QUERIES: Final = (
    *("qpi", "qid", "qsid", "qvfw", "qvfw2", "qvfw3", "qmn", "qgmn"),
    *("qpigs", "qpigs2", "qpiri", "qmod", "qpiws", "qflag", "qdi", "qmchgcr", "qmuchgcr", "qopm"),
    *("qbeqi", "qbms", "qbatcd", "qet", "qlt", "qt", "qoppt", "qchpt"),
)
"""What may be asked from afar; nothing that changes anything."""
_ASK = CommandCapability(QUERY, (Parameter(QUESTION, ParameterType.CHOICE, options=QUERIES),))
_RESUME = CommandCapability(RESUME)


def declared(inverter: Inverter) -> tuple[CommandCapability, ...]:
    """Return what an inverter can be told, as the configuration allows it."""
    return (*inverter.capabilities, _RESUME, _ASK) if inverter.enabled else (_ASK,)


def refusals(command: Command, capabilities: Sequence[CommandCapability]) -> list[str]:
    """Return every reason why a command is not obeyed."""
    by_name = {capability.name: capability for capability in capabilities}
    if (capability := by_name.get(command.command)) is None:
        known = ", ".join(sorted(by_name)) or "nothing yet"
        return [f"{command.command} is not allowed here: add its setting to `writes`; allowed: {known}"]
    wanted = {parameter.name: parameter for parameter in capability.parameters}
    found = [f"{name} is missing" for name in sorted(wanted.keys() - command.parameters.keys())]
    found += [f"there is no parameter {name}" for name in sorted(command.parameters.keys() - wanted.keys())]
    for name, parameter in wanted.items():
        if name in command.parameters and (why := parameter.refusal(command.parameters[name])) is not None:
            found.append(why)
    return found
