// What the cards of a site share: which site it is, when to draw again, how wide the card is.

import { LitElement, type PropertyValues } from "lit";

import type { Config, Hass } from "./hass";
import { readSites, type Site } from "./swarm";

export abstract class SiteCard extends LitElement {
  static override properties = {
    hass: { attribute: false },
    _config: { state: true },
    _width: { state: true },
  };

  declare hass: Hass | undefined;
  declare _config: Config | undefined;
  declare _width: number;

  private observer: ResizeObserver | undefined;
  private devices: Hass["devices"] | undefined;
  private entities: Hass["entities"] | undefined;
  private watched: readonly string[] = [];

  constructor() {
    super();
    this._width = 0;
  }

  static getStubConfig(): Config {
    return {};
  }

  setConfig(config: Config): void {
    if (config["site"] !== undefined && typeof config["site"] !== "string") {
      throw new Error("site: expected the id of the device of a microgrid site");
    }
    this._config = config;
    this.devices = undefined;
  }

  getGridOptions(): Config {
    return { columns: "full", rows: "auto", min_columns: 6 };
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.observer = new ResizeObserver(([entry]) => {
      if (entry) this._width = entry.contentRect.width;
    });
    this.observer.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.observer?.disconnect();
  }

  /** Home Assistant hands over a new `hass` for every state of the house: only ours count. */
  protected override shouldUpdate(changed: PropertyValues): boolean {
    if (!this.hass || !this._config) return false;
    const before = changed.get("hass") as Hass | undefined;
    if (changed.size > 1 || !before || this.read(this.hass)) return true;
    const now = this.hass;
    // Translations arrive after the first states: Home Assistant then hands over another way to write them.
    const written = before.language !== now.language || before.formatEntityState !== now.formatEntityState;
    return written || this.watched.some((id) => before.states[id] !== now.states[id]);
  }

  /** Read the registries again when they changed; tells whether they did. */
  protected read(hass: Hass): boolean {
    if (hass.devices === this.devices && hass.entities === this.entities) return false;
    this.devices = hass.devices;
    this.entities = hass.entities;
    const wanted = this._config?.["site"];
    this.watched = this.choose(readSites(hass).filter((site) => wanted === undefined || site.node.deviceId === wanted));
    return true;
  }

  /** Take what the card shows from the sites in question; returns the entities that it depends on. */
  protected abstract choose(sites: readonly Site[]): readonly string[];
}
