// What exists: sites, clusters and nodes, read from the device and entity registries of Home Assistant.

import type { DeviceEntry, EntityEntry, Hass } from "./hass";

const DOMAIN = "microgrid";

export type Kind = "site" | "gateway" | "house" | "heat_pump" | "mpp_inverter" | "battery" | "victron_gx" | "other";

/** A device or one of its parts, with its entities in the order of the registry. */
export interface Part {
  readonly component: string;
  readonly deviceId: string;
  readonly name: string;
  readonly entities: readonly EntityEntry[];
}

export interface Node extends Part {
  readonly kind: Kind;
  readonly parts: readonly Part[];
}

/** A gateway and what is wired behind it: houses as a rule. */
export interface Cluster {
  readonly gateway: Node;
  readonly members: readonly Node[];
}

export interface Site {
  readonly node: Node;
  readonly clusters: readonly Cluster[];
  /** Houses whose gateway is not known. */
  readonly houses: readonly Node[];
  /** Everything that is neither gateway nor house. */
  readonly devices: readonly Node[];
  /** Where the energy planner shows what it does. */
  readonly planner: Node | undefined;
}

// The registry does not tell the kind of a node; these quantities do. One of them is enough.
const SIGNATURES: readonly (readonly [Kind, readonly string[]])[] = [
  ["gateway", ["houses_online", "contactor_closed", "cluster_frequency", "swarm_frequency"]],
  ["heat_pump", ["refrigerant", "outlet_temperature", "inlet_temperature", "compressor_running"]],
  ["victron_gx", ["system_state", "consumption_power", "grid_available"]],
  ["mpp_inverter", ["ac_output_active_power", "output_source_priority", "output_load_percent"]],
  ["battery", ["schedule_mode", "schedule_active"]],
  ["house", ["exchange_power", "load_power", "health"]],
];
/** Ends the identifier of the planner's device. */
const PLANNER = "/energy_planner";
const HOUSE_PARTS = ["inverter", "mppt", "battery"];

const naturally = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a: Part, b: Part) => naturally.compare(a.name, b.name);

const identifier = (device: DeviceEntry) => device.identifiers.find(([domain]) => domain === DOMAIN)?.[1];

/** The entities of a part that people want to see. */
export const shown = (part: Part): EntityEntry[] => part.entities.filter((entity) => !entity.hidden);

/** The entity of a node that shows a quantity; `path` is its translation key, after its component: `battery.power`. */
export function find(node: Node, path: string, domain = ""): string | undefined {
  const dot = path.indexOf(".");
  const component = path.slice(0, Math.max(dot, 0));
  const key = path.slice(dot + 1);
  const part = component ? node.parts.find((candidate) => candidate.component === component) : node;
  return part?.entities.find(
    (entity) => !entity.hidden && entity.translation_key === key && entity.entity_id.startsWith(domain),
  )?.entity_id;
}

/** All nodes of a site with the site itself first. */
export const nodesOf = (site: Site): Node[] => [
  site.node,
  ...site.clusters.flatMap((cluster) => [cluster.gateway, ...cluster.members]),
  ...site.houses,
  ...site.devices,
];

/** Read the sites from the registries, sorted by name. */
export function readSites(hass: Pick<Hass, "devices" | "entities">): Site[] {
  const entities = new Map<string, EntityEntry[]>();
  for (const entity of Object.values(hass.entities)) {
    if (entity.platform === DOMAIN && entity.device_id) {
      const list = entities.get(entity.device_id);
      if (list) list.push(entity);
      else entities.set(entity.device_id, [entity]);
    }
  }
  const devices = Object.values(hass.devices).filter((device) => identifier(device) && !device.disabled_by);
  const byId = new Map(devices.map((device) => [device.id, device]));

  const partOf = (device: DeviceEntry, component: string): Part => ({
    component,
    deviceId: device.id,
    name: device.name_by_user || device.name || identifier(device) || device.id,
    entities: entities.get(device.id) ?? [],
  });

  const parts = new Map<string, Part[]>();
  for (const device of devices) {
    const parent = byId.get(device.parent_device_id ?? "");
    if (!parent) continue;
    // The identifier of a part is that of its device followed by the component.
    const component = (identifier(device) ?? "").slice((identifier(parent) ?? "").length + 1);
    parts.set(parent.id, [...(parts.get(parent.id) ?? []), partOf(device, component)]);
  }

  const kindOf = (device: DeviceEntry): Kind => {
    if (device.entry_type === "service") return "site";
    const keys = new Set((entities.get(device.id) ?? []).map((entity) => entity.translation_key));
    const own = parts.get(device.id) ?? [];
    if (own.some((part) => HOUSE_PARTS.includes(part.component))) return "house";
    return SIGNATURES.find(([, wanted]) => wanted.some((key) => keys.has(key)))?.[0] ?? "other";
  };

  const nodes = new Map<string, Node>();
  const planners = new Map<string, Node>();
  for (const device of devices) {
    if (identifier(device)?.endsWith(PLANNER)) {
      planners.set(device.config_entry_id ?? "", { ...partOf(device, ""), kind: "other", parts: [] });
      continue;
    }
    // A service of a Victron GX (entry/node/battery/512) stands behind its station, and has a page of its own.
    if (device.parent_device_id || (identifier(device) ?? "").split("/").length > 2) continue;
    nodes.set(device.id, { ...partOf(device, ""), kind: kindOf(device), parts: parts.get(device.id) ?? [] });
  }

  const sites: Site[] = [];
  for (const site of nodes.values()) {
    if (site.kind !== "site") continue;
    const entry = byId.get(site.deviceId)?.config_entry_id;
    const members = [...nodes.values()]
      .filter((node) => node !== site && byId.get(node.deviceId)?.config_entry_id === entry)
      .sort(byName);
    const above = (node: Node) => byId.get(node.deviceId)?.via_device_id;
    const gateways = members.filter((node) => node.kind === "gateway");
    const clusters = gateways.map((gateway) => ({
      gateway,
      members: members.filter((node) => node.kind !== "gateway" && above(node) === gateway.deviceId),
    }));
    const clustered = new Set(clusters.flatMap((cluster) => cluster.members));
    const rest = members.filter((node) => node.kind !== "gateway" && !clustered.has(node));
    sites.push({
      node: site,
      clusters,
      houses: rest.filter((node) => node.kind === "house"),
      devices: rest.filter((node) => node.kind !== "house"),
      planner: planners.get(entry ?? ""),
    });
  }
  return sites.sort((a, b) => byName(a.node, b.node));
}
