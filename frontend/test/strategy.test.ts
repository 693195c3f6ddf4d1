import { expect, test } from "vitest";

import type { Config } from "../src/hass";
import { DashboardStrategy, generateDashboard, pathOf } from "../src/strategy";
import { translator } from "../src/strings";
import { another, entitiesIn, pretend, tell } from "./pretend";

const views = (config: Config) => config["views"] as Config[];
const paths = (config: Config) => views(config).map((view) => view["path"]);

test("a page for all, for energy, for each cluster, for lonely houses, for devices, for health", async () => {
  const dashboard = await DashboardStrategy.generate({ type: "custom:microgrid" }, pretend());
  expect(dashboard["title"]).toBe("Demo");
  expect(paths(dashboard)).toEqual(["overview", "energy", "gateway-1", "houses", "devices", "health"]);
});

test("no page names an entity that does not exist or is hidden", () => {
  const hass = pretend();
  const hidden = entitiesIn(generateDashboard({}, hass))[0] ?? "";
  const entity = hass.entities[hidden];
  if (!entity) throw new Error("the dashboard names no entity");
  hass.entities[hidden] = { ...entity, hidden: true };
  const named = entitiesIn(generateDashboard({}, hass));
  expect(named.length).toBeGreaterThan(60);
  expect(named.filter((id) => !hass.entities[id] || id === hidden)).toEqual([]);
});

test("every device of the swarm stands on the first page or on a page of its own", () => {
  const hass = pretend();
  const onPages = new Set(entitiesIn(generateDashboard({}, hass)).map((id) => hass.entities[id]?.device_id));
  const nodes = Object.values(hass.devices).filter((device) => !device.parent_device_id);
  expect(nodes.filter((device) => !onPages.has(device.id)).map((device) => device.name)).toEqual([]);
});

test("without history and logbook there are no graphs and no log", () => {
  const hass = pretend();
  hass.config.components = ["microgrid"];
  const text = JSON.stringify(generateDashboard({}, hass));
  expect(text).not.toContain("history-graph");
  expect(text).not.toContain("logbook");
});

test("before the first device the page says what to do", () => {
  const hass = pretend();
  for (const id of Object.keys(hass.devices)) if (hass.devices[id]?.entry_type !== "service") delete hass.devices[id];
  const text = JSON.stringify(generateDashboard({}, hass));
  expect(text).toContain(translator("en")("emptyTitle"));
  expect(text).toContain("/config/integrations/integration/microgrid");
  const bare = { ...hass, devices: {}, config: { components: [] } };
  expect(JSON.stringify(generateDashboard({}, bare))).toContain("add?domain=microgrid");
});

test("one swarm of several can be chosen", () => {
  const hass = pretend();
  expect(paths(generateDashboard({ site: "no such device" }, hass))).toEqual(["overview"]);
  const site = Object.values(hass.devices).find((device) => device.id.endsWith("/site"));
  expect(paths(generateDashboard({ site: site?.id }, hass))).toHaveLength(6);
});

test("the page of energy has the plan, what it saves and the bill above the payments; without planner there is none", () => {
  const hass = pretend();
  const energy = views(generateDashboard({}, hass)).find((view) => view["path"] === "energy");
  const text = JSON.stringify(energy);
  expect(text).toContain("microgrid-plan-card");
  expect(text).toContain('"statistics-graph"');
  const sections = (energy?.["sections"] ?? []) as { cards: Config[] }[];
  const lists = sections.flatMap(({ cards }) => cards.filter((card) => card["type"] === "entities"));
  const keys = lists.map((card) => (card["entities"] as Config[]).map((row) => hass.entities[String(row["entity"])]?.translation_key));
  expect(keys).toEqual([
    ["planner_bill_today", "planner_payment_today", "planner_payment_today"],
    ["planner_bill_month", "planner_payment_month", "planner_payment_month"],
  ]);
  for (const id of Object.keys(hass.devices)) if (id.endsWith("energy_planner")) delete hass.devices[id];
  expect(paths(generateDashboard({}, hass))).not.toContain("energy");
  expect(JSON.stringify(generateDashboard({}, hass))).not.toContain("microgrid-plan-card");
});

test("with several swarms every heading of plans, money and graphs says whose it is", () => {
  const hass = pretend();
  another(hass, "Lake");
  const dashboard = generateDashboard({}, hass);
  const headings = (path: string) => {
    const sections = views(dashboard).find((view) => view["path"] === path)?.["sections"] as { cards: Config[] }[];
    return sections.flatMap(({ cards }) => cards.flatMap((card) => (card["type"] === "heading" ? [String(card["heading"])] : [])));
  };
  const of = (name: string, path: string) => headings(path).filter((heading) => heading.startsWith(name));
  expect(of("Lake", "energy")).toEqual(of("Demo", "energy").map((heading) => heading.replace("Demo", "Lake")));
  expect(headings("energy")).toEqual([...of("Demo", "energy"), ...of("Lake", "energy")]);
  expect(of("Lake", "overview")).toContain("Lake: Energy plan");
  const unnamed = headings("overview").filter((heading) => !/^(Demo|Lake)/.test(heading));
  expect(unnamed).toEqual(["Active problems", "Active problems"]);
  expect(JSON.stringify(generateDashboard({}, pretend()))).not.toContain("Demo:");
});

test("paths are readable, unique and never those of our own pages", () => {
  const taken = new Set(["health"]);
  expect(["Gruppe Süd", "Gruppe Süd", "Health", "Łąka 3", "村"].map((name) => pathOf(name, taken))).toEqual([
    "gruppe-sud",
    "gruppe-sud-2",
    "health-2",
    "aka-3",
    "cluster",
  ]);
});

test("a page is opened by its path, also when only the number of a name is left of it", () => {
  const taken = new Set<string>();
  expect(["Район 2", "2", "0x10", "1e1"].map((name) => pathOf(name, taken))).toEqual([
    "cluster-2",
    "cluster-2-2",
    "cluster-0x10",
    "cluster-1e1",
  ]);
  const hass = pretend();
  const gateway = Object.values(hass.devices).find((device) => device.name === "Gateway 1");
  if (!gateway) throw new Error("no gateway in the fixture");
  hass.devices[gateway.id] = { ...gateway, name: "Район 1" };
  const all = paths(generateDashboard({}, hass)) as string[];
  // As Home Assistant looks for the page of an address.
  const opened = all.map((path) => all.findIndex((each, place) => each === path || place === Number(path)));
  expect(opened).toEqual(all.map((_, place) => place));
});

test("diagnoses stand by quantity with the names of the nodes", () => {
  const hass = pretend();
  for (const id of Object.keys(hass.entities)) tell(hass, id, "1");
  const health = views(generateDashboard({}, hass)).at(-1);
  const sections = (health?.["sections"] ?? []) as { cards: Config[] }[];
  const shared = sections.find(({ cards }) => /"[a-z_.0-9]*battery_state_of_health/.test(JSON.stringify(cards)));
  expect(shared?.cards).toHaveLength(3);
});
