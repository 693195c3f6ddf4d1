// The small part of Home Assistant's frontend that we rely on, as types.

export interface HassState {
  readonly entity_id: string;
  readonly state: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface EntityEntry {
  readonly entity_id: string;
  readonly platform: string;
  readonly device_id?: string | null;
  readonly translation_key?: string | null;
  readonly entity_category?: "config" | "diagnostic" | null;
  readonly hidden?: boolean;
}

export interface DeviceEntry {
  readonly id: string;
  readonly identifiers: readonly (readonly [string, string])[];
  readonly name: string | null;
  readonly name_by_user?: string | null;
  readonly config_entry_id?: string | null;
  readonly entry_type?: string | null;
  readonly disabled_by?: string | null;
  readonly via_device_id?: string | null;
  readonly parent_device_id?: string | null;
}

/** How the user wants numbers to be written. */
export interface Locale {
  readonly language: string;
  readonly number_format: string;
}

export interface Hass {
  readonly states: Readonly<Record<string, HassState>>;
  readonly entities: Readonly<Record<string, EntityEntry>>;
  readonly devices: Readonly<Record<string, DeviceEntry>>;
  readonly language: string;
  readonly locale: Locale;
  readonly config: { readonly components: readonly string[] };
  formatEntityState(state: HassState): string;
  formatEntityName(state: HassState, parts: { readonly type: string }): string;
}

/** A card, badge, section or view of a dashboard. */
export type Config = Record<string, unknown>;
