// Readings as people want to see them: numbers out of states, watts with a sensible prefix.

import type { Hass, HassState, Locale } from "./hass";

const WATTS: Readonly<Record<string, number>> = { mW: 1e-3, W: 1, kW: 1e3, MW: 1e6, VA: 1, kVA: 1e3 };
const ABSENT = new Set(["unavailable", "unknown", ""]);

export function stateOf(hass: Hass, entityId: string | undefined): HassState | undefined {
  return entityId === undefined ? undefined : hass.states[entityId];
}

/** The state of an entity, or undefined while it has none worth showing. */
export function present(hass: Hass, entityId: string | undefined): HassState | undefined {
  const state = stateOf(hass, entityId);
  return state && !ABSENT.has(state.state) ? state : undefined;
}

export function number(hass: Hass, entityId: string | undefined): number | undefined {
  const state = present(hass, entityId);
  const value = state ? Number(state.state) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** Power in W (or VA), whatever prefix the user chose for the entity. */
export function watts(hass: Hass, entityId: string | undefined): number | undefined {
  const value = number(hass, entityId);
  const unit = String(stateOf(hass, entityId)?.attributes["unit_of_measurement"] ?? "W");
  return value === undefined ? undefined : value * (WATTS[unit] ?? 1);
}

/** The state as Home Assistant writes it, in the user's language and precision; undefined while absent. */
export function text(hass: Hass, entityId: string | undefined): string | undefined {
  const state = present(hass, entityId);
  return state && hass.formatEntityState(state);
}

export function isOn(hass: Hass, entityId: string | undefined): boolean | undefined {
  const state = present(hass, entityId);
  return state && state.state === "on";
}

// Languages that write numbers in the formats that Home Assistant offers beside that of the language.
const WRITERS: Readonly<Record<string, string | undefined>> = {
  comma_decimal: "en-US",
  decimal_comma: "de",
  space_comma: "fr",
  quote_decimal: "de-CH",
  none: "en-US",
  system: undefined,
};

/** A number as Home Assistant writes those of its states for this user. */
export function formatNumber(value: number, decimals: number, { language, number_format }: Locale): string {
  const rounded = Number(value.toFixed(decimals)) || 0; // no minus sign before a zero
  return new Intl.NumberFormat(number_format in WRITERS ? WRITERS[number_format] : language, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    ...(number_format === "none" ? { useGrouping: false } : {}),
  }).format(rounded);
}

/** `850 W`, `1.24 kW`, `12.4 kW`: three digits that matter. The sign is for the caller to put into words. */
export function formatPower(power_w: number, locale: Locale): string {
  const size = Math.abs(power_w);
  if (Math.round(size) < 1000) return `${formatNumber(size, 0, locale)} W`;
  return `${formatNumber(size / 1000, size < 9995 ? 2 : 1, locale)} kW`;
}
