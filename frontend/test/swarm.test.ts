import { expect, test } from "vitest";

import { LOOKS } from "../src/summary";
import { find, nodesOf, readSites, type Kind, type Node, type Site } from "../src/swarm";
import { DEVICE_PAGES, GATEWAY_TILES, HOUSE_TILES } from "../src/views";
import { pretend } from "./pretend";

function only(hass = pretend()): Site {
  const [site, ...others] = readSites(hass);
  if (!site || others.length) throw new Error("expected exactly one site");
  return site;
}

const names = (nodes: readonly Node[]) => nodes.map((node) => node.name);

test("sites, clusters and nodes are told apart by what they measure", () => {
  const site = only();
  expect(site.node.name).toBe("Demo");
  expect(site.clusters.map(({ gateway, members }) => [gateway.name, names(members)])).toEqual([
    ["Gateway 1", ["House 1"]],
  ]);
  expect(names(site.houses)).toEqual(["House 2"]);
  expect(site.devices.map((node) => node.kind)).toEqual(["battery", "heat_pump", "mpp_inverter"]);
});

test("every quantity that a page or the card asks for exists in the integration", () => {
  const nodes = new Map<Kind, Node>(nodesOf(only()).map((node) => [node.kind, node]));
  const missing: string[] = [];
  const wants = (kind: Kind, paths: readonly (string | undefined)[]) => {
    const node = nodes.get(kind);
    if (!node) throw new Error(`the fixture has no ${kind}`);
    missing.push(...paths.filter((path) => path && !find(node, path)).map((path) => `${kind}: ${path}`));
  };
  wants("house", ["online", "problem", ...HOUSE_TILES]);
  wants("gateway", ["online", "problem", "fault", "activity", "cluster_state_of_charge", ...GATEWAY_TILES]);
  wants("site", ["battery_power", "state_of_charge", "lowest_state_of_charge", "active_faults", "nodes_online"]);
  for (const kind of nodes.keys()) {
    const look = LOOKS[kind];
    wants(kind, [look.charge, look.flow, look.sun, ...look.facts]);
    wants(kind, [...DEVICE_PAGES[kind].first, ...DEVICE_PAGES[kind].graphs.flatMap(([, paths]) => paths)]);
  }
  expect(missing).toEqual([]);
});

test("a hidden entity is not found, and its node keeps its kind", () => {
  const hass = pretend();
  const entity = Object.values(hass.entities).find((row) => row.translation_key === "exchange_power");
  if (!entity) throw new Error("no exchange_power in the fixture");
  hass.entities[entity.entity_id] = { ...entity, hidden: true };
  const house = only(hass).clusters[0]?.members[0];
  expect(house?.kind).toBe("house");
  expect(house && find(house, "exchange_power")).toBeUndefined();
});

test("a device that lost its entities stays as an unknown one", () => {
  const hass = pretend();
  for (const id of Object.keys(hass.entities)) if (id.includes("heat_pump")) delete hass.entities[id];
  expect(only(hass).devices.map((node) => node.kind)).toEqual(["battery", "other", "mpp_inverter"]);
});

test("two swarms are two sites", () => {
  const hass = pretend();
  const site = only(hass).node;
  const device = hass.devices[site.deviceId];
  if (!device) throw new Error("no site");
  hass.devices["second"] = { ...device, id: "second", name: "Another", config_entry_id: "other" };
  expect(readSites(hass).map((each) => [each.node.name, nodesOf(each).length])).toEqual([
    ["Another", 1],
    ["Demo", 7],
  ]);
});

test("the services of a Victron GX are no nodes of their own", () => {
  const hass = pretend();
  const before = names(only(hass).devices);
  const heatPump = Object.values(hass.devices).find((device) => device.name === "Heat pump 1" || device.name?.startsWith("Heat pump"));
  if (!heatPump) throw new Error("no heat pump in the fixture");
  const [domain, id] = heatPump.identifiers[0] ?? ["", ""];
  hass.devices["service"] = {
    ...heatPump,
    id: "service",
    name: "Barn battery",
    identifiers: [[domain, `${id}/battery/512`]],
    via_device_id: heatPump.id,
  };
  expect(names(only(hass).devices)).toEqual(before);
});
