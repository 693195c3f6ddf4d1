import { beforeEach, expect, test, vi } from "vitest";

import type { PlanCard } from "../src/plan-card";
import { priceRange, readPlan } from "../src/plan";
import { find, readSites, type Node } from "../src/swarm";
import { pretend, tell, type Pretend } from "./pretend";

// The bundle waits for Home Assistant's own program.
customElements.define("home-assistant", class extends HTMLElement {});
await import("../src/microgrid");

const ROWS = [
  { start: "2026-06-01T22:00:00+02:00", action: "charge", import_price: -0.02, charge_percent: 40, price_known: true },
  { start: "2026-06-01T23:00:00+02:00", action: "keep", import_price: 0.2, charge_percent: 40.4, price_known: true },
  { start: "2026-06-02T00:00:00+02:00", action: "supply", import_price: 0.31, charge_percent: 22, price_known: false },
];
const money = { unit_of_measurement: "EUR" };

let hass: Pretend;
let planner: Node;
let card: PlanCard;

const id = (key: string) => find(planner, key) ?? `no ${key}`;
const update = async () => {
  card.hass = { ...hass, states: { ...hass.states } };
  await card.updateComplete;
};
const shown = () => card.shadowRoot?.textContent?.replace(/\s+/g, " ") ?? "";

beforeEach(async () => {
  document.body.innerHTML = "";
  hass = pretend();
  const found = readSites(hass)[0]?.planner;
  if (!found) throw new Error("no planner in the fixture");
  planner = found;
  tell(hass, id("planner_action"), "keep", { reason: "Keeps 4 kWh for 19:00." });
  tell(hass, id("planner_next_action"), "supply", { start: "2026-06-02T00:00:00+02:00" });
  tell(hass, id("planner_saving_today"), "0.42", money);
  tell(hass, id("planner_saving_total"), "3.10", money);
  tell(hass, id("planner_price"), "0.2", { unit_of_measurement: "EUR/kWh" });
  tell(hass, id("planner_fallback"), "none");
  tell(hass, id("planner_plan"), "2026-06-01T20:05:00+00:00", { plan: ROWS, reserve_percent: 10 });
  card = document.createElement("microgrid-plan-card") as PlanCard;
  card.setConfig({ type: "custom:microgrid-plan-card" });
  card.hass = { ...hass, states: { ...hass.states } };
  document.body.append(card);
  await card.updateComplete;
});

test("the planner stands for itself and is no site", () => {
  expect(readSites(hass)).toHaveLength(1);
  expect(planner.name).toBe("Energy planner");
});

test("what is done now, why, what follows and what it saved is said in words", () => {
  expect(shown()).toContain("Keeps 4 kWh for 19:00.");
  expect(shown()).toContain("0.42 EUR");
  expect(shown()).toContain("3.10 EUR in all");
  expect(shown()).toContain("from 00:00: supply");
});

test("each hour has its bar, its colour and its words", () => {
  const hours = [...(card.shadowRoot?.querySelectorAll(".hour") ?? [])];
  expect(hours.map((hour) => hour.classList[1])).toEqual(["charge", "keep", "supply"]);
  expect(hours[2]?.classList.contains("guessed")).toBe(true);
  expect(hours[2]?.querySelector("title")?.textContent).toBe("00:00 · supply · 0.310 EUR/kWh · 22 % · price expected");
  expect(hours[2]?.querySelector(".midnight")).not.toBeNull();
  expect(card.shadowRoot?.querySelector(".chart")?.getAttribute("aria-label")).toContain("22:00 charge, 23:00 keep");
  expect(card.shadowRoot?.querySelector(".reserve")).not.toBeNull();
});

test("a fallback is said instead of a reason", async () => {
  tell(hass, id("planner_fallback"), "prices_stale");
  await update();
  expect(card.shadowRoot?.querySelector(".why.fallback")?.textContent).toContain("prices_stale");
  expect(shown()).not.toContain("Keeps 4 kWh");
});

test("words that arrive later are put in place of the bare states", async () => {
  expect(shown()).toContain("from 00:00: supply");
  hass = { ...hass, formatEntityState: (state) => `<${state.state}>` };
  await update();
  expect(shown()).toContain("from 00:00: <supply>");
});

test("without a plan, and without a planner, the card says so", async () => {
  tell(hass, id("planner_plan"), "unknown");
  await update();
  expect(shown()).toContain("The first plan comes");
  delete hass.devices[planner.deviceId];
  hass = { ...hass, devices: { ...hass.devices } };
  await update();
  expect(shown()).toContain("no energy planner");
});

test("a figure opens what is behind it", () => {
  const opened = vi.fn();
  document.addEventListener("hass-more-info", opened, { once: true });
  card.shadowRoot?.querySelector<HTMLButtonElement>(".figure.saving")?.click();
  expect((opened.mock.calls[0]?.[0] as CustomEvent).detail).toEqual({ entityId: id("planner_saving_today") });
});

test("an attribute that is no plan is none", () => {
  expect(readPlan(undefined)).toEqual([]);
  expect(readPlan(["x", null, { start: "soon", action: "keep" }, { ...ROWS[0], action: "explode" }])).toEqual([]);
  expect(readPlan([{ ...ROWS[0], import_price: "0.3", charge_percent: Number.NaN }])[0]).toMatchObject({
    clock: "22:00",
    day: "2026-06-01",
    price: undefined,
    charge: undefined,
  });
});

test("the axis of prices always has zero and some height", () => {
  expect(priceRange(readPlan(ROWS))).toEqual([-0.02, 0.31]);
  expect(priceRange([])).toEqual([0, 1]);
});
