// A Home Assistant made of the registries that the integration really makes (written by tests/integration/test_frontend.py).

import type { DeviceEntry, EntityEntry, Hass, HassState } from "../src/hass";
import registries from "./registries.json";

const index = <T>(rows: readonly T[], key: (row: T) => string): Record<string, T> =>
  Object.fromEntries(rows.map((row) => [key(row), row]));

export interface Pretend extends Hass {
  readonly states: Record<string, HassState>;
  readonly entities: Record<string, EntityEntry>;
  readonly devices: Record<string, DeviceEntry>;
  readonly config: { components: string[] };
}

export function pretend(language = "en"): Pretend {
  return {
    states: {},
    entities: index(structuredClone(registries.entities) as EntityEntry[], (row) => row.entity_id),
    devices: index(structuredClone(registries.devices) as unknown as DeviceEntry[], (row) => row.id),
    language,
    locale: { language, number_format: "language" },
    config: { components: ["microgrid", "history", "logbook"] },
    formatEntityState: (state) => `${state.state} ${String(state.attributes["unit_of_measurement"] ?? "")}`.trim(),
    formatEntityName: (state) => state.entity_id,
  };
}

/** Add another swarm just like the first one, but for the name of its site. */
export function another(hass: Pretend, name: string): void {
  const renamed = (id: string) => id.replace(/^entry/, "other");
  for (const device of Object.values(hass.devices)) {
    const { via_device_id, parent_device_id } = device;
    hass.devices[renamed(device.id)] = {
      ...device,
      id: renamed(device.id),
      name: device.id === "entry/site" ? name : device.name,
      config_entry_id: "other",
      identifiers: device.identifiers.map(([domain, id]) => [domain, renamed(id)] as const),
      via_device_id: via_device_id ? renamed(via_device_id) : null,
      parent_device_id: parent_device_id ? renamed(parent_device_id) : null,
    };
  }
  for (const entity of Object.values(hass.entities)) {
    const entity_id = `${entity.entity_id}_2`;
    hass.entities[entity_id] = { ...entity, entity_id, device_id: entity.device_id ? renamed(entity.device_id) : null };
  }
}

/** Give an entity a state, as a new object the way Home Assistant does. */
export function tell(hass: Pretend, entityId: string, state: string, attributes: Record<string, unknown> = {}): void {
  hass.states[entityId] = { entity_id: entityId, state, attributes };
}

/** Every string below a configuration that names an entity. */
export function entitiesIn(config: unknown): string[] {
  if (typeof config === "string") return /^[a-z_]+\.[a-z0-9_]+$/.test(config) ? [config] : [];
  if (Array.isArray(config)) return config.flatMap(entitiesIn);
  return config && typeof config === "object" ? Object.values(config).flatMap(entitiesIn) : [];
}
