"""The peer: the same readings through Home Assistant's plain MQTT sensors with value templates.

It is what a user would write by hand: one sensor for each quantity, on the topic that carries it, with unit,
device class, device and availability. All is taken from what is on the broker and from the metric tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from microgrid_core.model.kinds import KINDS
from microgrid_core.model.metric import DeviceKind, Metric, ValueType

PLATFORMS = {ValueType.FLAG: "binary_sensor"}


def platforms(payloads: Mapping[str, bytes], kinds: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return the `mqtt:` configuration for what stands in `payloads` (by topic); `kinds` by node id."""
    found: dict[str, list[dict[str, Any]]] = {"sensor": [], "binary_sensor": []}
    for topic, payload in sorted(payloads.items()):
        parts = topic.split("/")
        if parts[0] == "microgrid" and parts[-1] == "live":
            message = json.loads(payload)
            base = "/".join(parts[:-2])
            speakers = {parts[3]: ("value_json", message)} if "values" in message else {}
            speakers |= {
                name: (f"value_json.nodes['{name}']", live) for name, live in message.get("nodes", {}).items()
            }
            for node_id, (path, live) in speakers.items():
                for metric in _metrics(KINDS[kinds[node_id]], live["values"]):
                    sensor = _sensor(
                        metric, node_id, topic, f"{path}['values']['{metric.key}']", f"{base}/{node_id}/state"
                    )
                    found[PLATFORMS.get(metric.value, "sensor")].append(sensor)
        elif parts[0] == "heatpump" and parts[-1] == "data":
            for path in _numbers(json.loads(payload), "value_json"):
                found["sensor"].append(
                    {"name": path, "state_topic": topic, "value_template": f"{{{{ {path} }}}}"}
                )
        elif parts[0] in ("house", "weather"):
            found["sensor"].append({"name": topic, "state_topic": topic})
    return found


def _metrics(kind: DeviceKind, values: Mapping[str, Any]) -> Iterator[Metric]:
    for key in values:
        metric = kind.by_key.get(key)
        if metric is not None and metric.enabled:
            yield metric


def _sensor(metric: Metric, node_id: str, topic: str, path: str, state_topic: str) -> dict[str, Any]:
    sensor: dict[str, Any] = {
        "name": metric.key,
        "unique_id": f"plain_{node_id}_{metric.key}",
        "state_topic": topic,
        "availability_topic": state_topic,
        "payload_available": "online",
        "payload_not_available": "offline",
        "device": {"identifiers": [f"plain_{node_id}"], "name": f"Plain {node_id}"},
    }
    if metric.value is ValueType.FLAG:
        return sensor | {"value_template": f"{{{{ 'ON' if {path} else 'OFF' }}}}"}
    sensor["value_template"] = f"{{{{ {path} }}}}"
    if metric.value is ValueType.NUMBER:
        sensor |= {
            key: value
            for key, value in (
                ("unit_of_measurement", metric.unit),
                ("device_class", metric.device_class),
                ("state_class", metric.state_class),
                ("suggested_display_precision", metric.precision),
            )
            if value is not None
        }
    return sensor


def _numbers(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of all numbers in a JSON object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{path}['{key}']")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path
