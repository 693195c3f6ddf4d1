import { beforeEach, expect, test, vi } from "vitest";

import { formatPower } from "../src/readings";
import { columnsFor, type SwarmCard } from "../src/swarm-card";
import { readSites, find, nodesOf, type Node } from "../src/swarm";
import { pretend, tell, type Pretend } from "./pretend";

// The bundle waits for Home Assistant's own program.
customElements.define("home-assistant", class extends HTMLElement {});
await import("../src/microgrid");

let hass: Pretend;
let card: SwarmCard;

const node = (name: string): Node => {
  const wanted = nodesOf(readSites(hass)[0]!).find((each) => each.name === name);
  if (!wanted) throw new Error(`no ${name} in the fixture`);
  return wanted;
};
const id = (name: string, path: string) => find(node(name), path) ?? `no ${path} of ${name}`;
const watts = { unit_of_measurement: "W" };

beforeEach(async () => {
  document.body.innerHTML = "";
  hass = pretend();
  tell(hass, id("House 1", "online"), "on");
  tell(hass, id("House 1", "battery.state_of_charge"), "62", { unit_of_measurement: "%" });
  tell(hass, id("House 1", "exchange_power"), "1240", watts);
  tell(hass, id("House 1", "mppt.solar_power"), "0.8", { unit_of_measurement: "kW" });
  tell(hass, id("House 2", "online"), "off");
  tell(hass, id("Gateway 1", "online"), "on");
  tell(hass, id("Gateway 1", "contactor_closed"), "on");
  tell(hass, id("Gateway 1", "power_flow"), "-900", watts);
  card = document.createElement("microgrid-swarm-card") as SwarmCard;
  card.setConfig({ type: "custom:microgrid-swarm-card" });
  card.hass = { ...hass, states: { ...hass.states } };
  document.body.append(card);
  await card.updateComplete;
});

const button = (label: string): HTMLButtonElement => {
  const buttons = [...(card.shadowRoot?.querySelectorAll("button") ?? [])];
  const wanted = buttons.find((each) => each.getAttribute("aria-label")?.startsWith(label));
  if (!wanted) throw new Error(`no button ${label}`);
  return wanted;
};
const update = async () => {
  card.hass = { ...hass, states: { ...hass.states } };
  await card.updateComplete;
};

test("a house says in words what it shows in colours", () => {
  expect(button("House 1").getAttribute("aria-label")).toBe("House 1: charge 62 %, feeds in 1.24 kW, solar 800 W");
  expect(button("House 1").textContent?.replace(/\s+/g, " ")).toContain("▲1.24 kW");
  expect(button("House 1").className).toContain("flow-out");
});

test("a silent house is offline, a gateway tells its contactor", async () => {
  expect(button("House 2").getAttribute("aria-label")).toBe("House 2: Offline");
  expect(button("Gateway 1").getAttribute("aria-label")).toContain("Connected, draws 900 W");
  tell(hass, id("Gateway 1", "contactor_closed"), "off");
  await update();
  expect(button("Gateway 1").getAttribute("aria-label")).toContain("Separated");
});

test("a fault shows its codes and opens the problem", async () => {
  tell(hass, id("House 1", "problem"), "on", { codes: ["F012", "F021"] });
  await update();
  expect(button("House 1").getAttribute("aria-label")).toContain("Fault F012, F021");
  expect(button("House 1").textContent).toContain("F012 +1");
  const opened = vi.fn();
  document.addEventListener("hass-more-info", opened, { once: true });
  button("House 1").click();
  expect((opened.mock.calls[0]?.[0] as CustomEvent).detail).toEqual({ entityId: id("House 1", "problem") });
});

test("what does not concern the swarm draws nothing anew", async () => {
  const drawn = vi.spyOn(card as unknown as { render(): unknown }, "render");
  tell(hass, "light.kitchen", "on");
  await update();
  expect(drawn).not.toHaveBeenCalled();
  tell(hass, id("House 1", "exchange_power"), "-300", watts);
  await update();
  expect(drawn).toHaveBeenCalledOnce();
  expect(button("House 1").getAttribute("aria-label")).toContain("draws 300 W");
});

test("a removed house disappears", async () => {
  delete hass.devices[node("House 2").deviceId];
  hass = { ...hass, devices: { ...hass.devices } };
  await update();
  expect(() => button("House 2")).toThrow();
});

test("text of devices stays text", async () => {
  const device = hass.devices[node("House 1").deviceId]!;
  hass = { ...hass, devices: { ...hass.devices, [device.id]: { ...device, name: "<img src=x onerror=alert(1)>" } } };
  await update();
  expect(card.shadowRoot?.querySelector("img")).toBeNull();
});

test("the card refuses a configuration it cannot use", () => {
  expect(() => card.setConfig({ site: 3 })).toThrow("site");
});

test("strategy and card are offered in the pickers", () => {
  expect(JSON.stringify((window as unknown as Record<string, unknown>)["customStrategies"])).toContain('"microgrid"');
  expect(JSON.stringify((window as unknown as Record<string, unknown>)["customCards"])).toContain(
    "microgrid-swarm-card",
  );
});

test("the diagram runs from left to right on every page, so that lines meet what they join", () => {
  document.body.style.direction = "rtl";
  expect(getComputedStyle(document.body).direction).toBe("rtl");
  expect(getComputedStyle(card).direction).toBe("ltr");
  document.body.style.direction = "";
});

test("groups stand in balanced bands", () => {
  expect([columnsFor(4, 928), columnsFor(5, 928), columnsFor(7, 928), columnsFor(3, 350), columnsFor(0, 0)]).toEqual([
    4, 3, 4, 1, 1,
  ]);
});

const written = (language: string, number_format = "language") => ({ language, number_format });

test("numbers are written as the user wants all numbers of Home Assistant", async () => {
  const formats = ["language", "comma_decimal", "decimal_comma", "space_comma", "quote_decimal", "none"];
  const power_w = 1_234_560;
  const shown = formats.map((format) => formatPower(power_w, written("en", format)));
  expect(shown.map((text) => text.replace("\u202f", " ").replace("’", "'"))).toEqual([
    "1,234.6 kW",
    "1,234.6 kW",
    "1.234,6 kW",
    "1 234,6 kW",
    "1'234.6 kW",
    "1234.6 kW",
  ]);
  expect(formatPower(power_w, written("de", "system"))).toBe(
    `${new Intl.NumberFormat(undefined, { minimumFractionDigits: 1 }).format(1234.6)} kW`,
  );
  hass = { ...hass, locale: written("en", "decimal_comma"), formatEntityState: (state) => state.state };
  await update();
  expect(button("House 1").textContent).toContain("1,24 kW");
});

test("power keeps three digits", () => {
  expect([0, -0.4, 999.4, 999.6, 1239, 9996, 12345].map((power) => formatPower(power, written("en")))).toEqual([
    "0 W",
    "0 W",
    "999 W",
    "1.00 kW",
    "1.24 kW",
    "10.0 kW",
    "12.3 kW",
  ]);
  expect(formatPower(1500, written("de"))).toBe("1,50 kW");
});
