// Readings as people want to see them: numbers out of states, watts with a sensible prefix.

import type { Hass, HassState } from "./hass";

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

export function formatNumber(value: number, decimals: number, language: string): string {
  const rounded = Number(value.toFixed(decimals)) || 0; // no minus sign before a zero
  return new Intl.NumberFormat(language, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(rounded);
}

/** `850 W`, `1.24 kW`, `12.4 kW`: three digits that matter. The sign is for the caller to put into words. */
export function formatPower(power_w: number, language: string): string {
  const size = Math.abs(power_w);
  if (Math.round(size) < 1000) return `${formatNumber(size, 0, language)} W`;
  return `${formatNumber(size / 1000, size < 9995 ? 2 : 1, language)} kW`;
}
