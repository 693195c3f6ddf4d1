// What the swarm card says about a node: one table of what matters for each kind, one interpreter.

import type { Hass, Locale } from "./hass";
import { formatPower, isOn, number, present, stateOf, text, watts } from "./readings";
import type { Translate } from "./strings";
import { find, shown, type Kind, type Node, type Part } from "./swarm";

export type Condition = "fine" | "fault" | "offline";
export type Direction = "out" | "in" | "none";

export interface Summary {
  readonly condition: Condition;
  readonly icon: string;
  /** State of charge in percent; undefined for what has none or does not tell it. */
  readonly charge: number | undefined;
  readonly chargeText: string | undefined;
  /** Which way power flows, seen from the node. */
  readonly direction: Direction;
  /** Power in W, positive towards the bus. */
  readonly flow_w: number | undefined;
  readonly sun: string | undefined;
  readonly facts: readonly string[];
  readonly faultCodes: readonly string[];
  /** The entity whose dialog tells more. */
  readonly target: string | undefined;
  readonly label: string;
}

interface Look {
  readonly icon: string;
  readonly charge?: string;
  readonly flow?: string;
  readonly sun?: string;
  readonly facts: readonly string[];
}

export const LOOKS: Readonly<Record<Kind, Look>> = {
  house: {
    icon: "mdi:home",
    charge: "battery.state_of_charge",
    flow: "exchange_power",
    sun: "mppt.solar_power",
    facts: [],
  },
  battery: { icon: "mdi:battery", charge: "state_of_charge", flow: "power", facts: ["schedule_mode"] },
  victron_gx: {
    icon: "mdi:home-battery",
    charge: "state_of_charge",
    flow: "battery_power",
    sun: "solar_power",
    facts: ["consumption_power"],
  },
  mpp_inverter: {
    icon: "mdi:power-socket-de",
    sun: "solar_power",
    facts: ["ac_output_active_power", "mode", "output_load_percent"],
  },
  heat_pump: { icon: "mdi:heat-pump", facts: ["outlet_temperature", "apparent_power", "inlet_temperature"] },
  gateway: { icon: "mdi:transmission-tower", flow: "power_flow", facts: ["cluster_frequency"] },
  site: { icon: "mdi:transmission-tower", facts: ["solar_power", "load_power", "frequency"] },
  other: { icon: "mdi:chip", facts: [] },
};

const PART_ICONS: Readonly<Record<string, string>> = {
  sensors: "mdi:thermometer",
  weather: "mdi:weather-partly-cloudy",
};

/** Below this a current transformer of a house cannot tell the direction (the same limit as `flow_direction`). */
const IDLE_W = 50;
const FACTS = 2;

export const direction = (flow_w: number | undefined): Direction =>
  flow_w === undefined || Math.abs(flow_w) < IDLE_W ? "none" : flow_w > 0 ? "out" : "in";

/** Flow in words: `feeds in 1.24 kW`. */
export function flowText(flow_w: number, translate: Translate, locale: Locale): string {
  const way = direction(flow_w);
  const words = way === "out" ? translate("exporting") : way === "in" ? translate("importing") : translate("resting");
  return way === "none" ? words : `${words} ${formatPower(Math.abs(flow_w), locale)}`;
}

const firstValues = (part: Part): string[] =>
  shown(part)
    .filter((entity) => !entity.entity_category && !entity.entity_id.startsWith("event."))
    .map((entity) => entity.entity_id);

const defined = <T>(values: readonly (T | undefined)[]): T[] =>
  values.filter((value): value is T => value !== undefined);

/** Every entity that the summary of a node looks at. */
export function watched(node: Node): string[] {
  const look = LOOKS[node.kind];
  const paths = ["online", "problem", look.charge, look.flow, look.sun, ...look.facts];
  return [...defined(defined(paths).map((path) => find(node, path))), ...firstValues(node)];
}

export function summarize(hass: Hass, node: Node, translate: Translate): Summary {
  const look = LOOKS[node.kind];
  const at = (path: string | undefined) => (path === undefined ? undefined : find(node, path));
  const chargeId = at(look.charge);
  const charge = number(hass, chargeId);
  const flow_w = watts(hass, at(look.flow));
  const sun_w = watts(hass, at(look.sun));
  const sun = sun_w === undefined ? undefined : formatPower(sun_w, hass.locale);

  const problemId = find(node, "problem", "binary_sensor.");
  const faulty = isOn(hass, problemId) === true;
  const codes = stateOf(hass, problemId)?.attributes["codes"];
  const offline = isOn(hass, find(node, "online", "binary_sensor.")) === false;
  const condition: Condition = offline ? "offline" : faulty ? "fault" : "fine";

  const wanted = defined(look.facts.map((path) => at(path))).filter((id) => present(hass, id));
  const spare = charge === undefined && flow_w === undefined && sun === undefined;
  const factIds = wanted.length || !spare ? wanted : firstValues(node).filter((id) => present(hass, id));
  const bright = sun_w !== undefined && sun_w >= 1;
  const facts = offline ? [] : defined(factIds.slice(0, bright ? FACTS - 1 : FACTS).map((id) => text(hass, id)));

  const chargeText = text(hass, chargeId);
  const words = [
    offline ? translate("offline") : undefined,
    faulty ? `${translate("fault")} ${Array.isArray(codes) ? codes.join(", ") : ""}`.trim() : undefined,
    chargeText && translate("chargeOf", chargeText),
    flow_w === undefined ? undefined : flowText(flow_w, translate, hass.locale),
    sun && translate("sunOf", sun),
    ...facts,
  ];
  return {
    condition,
    icon: look.icon,
    charge,
    chargeText,
    direction: offline ? "none" : direction(flow_w),
    flow_w,
    sun: bright ? sun : undefined,
    facts,
    faultCodes: faulty && Array.isArray(codes) ? codes.map(String) : [],
    target: (faulty ? problemId : undefined) ?? chargeId ?? factIds[0] ?? at(look.flow) ?? firstValues(node)[0],
    label: `${node.name}: ${defined(words).join(", ") || translate("noReading")}`,
  };
}

/** A part of the site (its own sensors, the weather) as if it were a node. */
export const partAsNode = (part: Part): Node => ({ ...part, kind: "other", parts: [] });

export const iconOf = (node: Node): string => PART_ICONS[node.component] ?? LOOKS[node.kind].icon;
