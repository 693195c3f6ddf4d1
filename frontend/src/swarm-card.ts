// The card that shows a swarm as a single-line diagram: totals, bus, contactors, clusters and what hangs behind them.

import { html, nothing, type TemplateResult } from "lit";

import { cardStyles } from "./card-styles";
import { contactor, vessel } from "./glyphs";
import type { Hass } from "./hass";
import { formatNumber, formatPower, isOn, number, text, watts } from "./readings";
import { SiteCard } from "./site-card";
import { translator, type Translate } from "./strings";
import { direction, flowText, iconOf, partAsNode, summarize, watched, type Direction, type Summary } from "./summary";
import { styles } from "./swarm-card-styles";
import { find, nodesOf, type Cluster, type Node, type Site } from "./swarm";

/** A column of the diagram that stays readable. */
const COLUMN_PX = 216;

const ARROWS: Readonly<Record<Direction, string>> = { out: "▲", in: "▼", none: "" };
const LOW_CHARGE = 20;

/** How many groups stand side by side: as many as fit, the same number in each band as far as possible. */
export function columnsFor(groups: number, width_px: number): number {
  const fit = Math.max(1, Math.floor(width_px / COLUMN_PX));
  return groups ? Math.ceil(groups / Math.ceil(groups / fit)) : 1;
}

export class SwarmCard extends SiteCard {
  static override styles = [cardStyles, styles];

  private site: Site | undefined;

  getCardSize(): number {
    return 8;
  }

  protected override choose([site]: readonly Site[]): readonly string[] {
    this.site = site;
    return site ? [...nodesOf(site), ...site.node.parts.map(partAsNode)].flatMap(watched) : [];
  }

  protected override render(): TemplateResult | typeof nothing {
    const hass = this.hass;
    if (!hass) return nothing;
    this.read(hass);
    const translate = translator(hass.language);
    const site = this.site;
    if (!site) return html`<ha-card><p class="quiet">${translate("emptyTitle")}</p></ha-card>`;

    const parts = site.node.parts.filter((part) => part.entities.length).map(partAsNode);
    const others = [...site.devices, ...parts];
    const groups = [
      ...site.clusters.map((cluster) => this.renderCluster(hass, cluster, translate)),
      ...(site.houses.length ? [this.renderGroup(hass, translate("otherHouses"), site.houses, translate)] : []),
      ...(others.length ? [this.renderGroup(hass, translate("onTheBus"), others, translate)] : []),
    ];
    const columns = columnsFor(groups.length, this._width);
    const bands = Array.from({ length: Math.ceil(groups.length / columns) }, (_, band) =>
      groups.slice(band * columns, (band + 1) * columns),
    );
    return html`<ha-card>
      <div class="diagram" role="group" aria-label=${translate("mapLabel", site.node.name)}>
        ${this.renderTotals(hass, site.node, translate)}
        <div class="bands ${bands.length > 1 ? "several" : ""} ${columns === 1 ? "stacked" : ""}" style="--columns: ${columns}">
          ${bands.map((band) => html`<div class="band">${band}</div>`)}
        </div>
        <p class="legend" aria-hidden="true">
          <span class="flow out"><span class="arrow">${ARROWS.out}</span>${translate("exporting")}</span>
          <span class="flow in"><span class="arrow">${ARROWS.in}</span>${translate("importing")}</span>
        </p>
      </div>
    </ha-card>`;
  }

  private renderTotals(hass: Hass, site: Node, translate: Translate): TemplateResult {
    const storage_w = watts(hass, find(site, "battery_power"));
    const charge = text(hass, find(site, "state_of_charge"));
    const way = direction(storage_w);
    const frequency = number(hass, find(site, "frequency"));
    const power = (path: string) => {
      const value = watts(hass, find(site, path));
      return value === undefined ? undefined : formatPower(value, hass.locale);
    };
    const storage =
      storage_w === undefined
        ? undefined
        : way === "none"
          ? translate("resting")
          : `${translate(way === "out" ? "discharging" : "charging")} ${formatPower(Math.abs(storage_w), hass.locale)}`;
    const deviation_mHz = frequency === undefined ? undefined : Math.round((frequency - 50) * 1000);
    const deviation =
      deviation_mHz === undefined
        ? undefined
        : `${deviation_mHz < 0 ? "−" : "+"}${formatNumber(Math.abs(deviation_mHz), 0, hass.locale)} mHz`;
    const figures: readonly [string, string, string, string | undefined, string | undefined][] = [
      ["solar_power", "mdi:solar-power-variant", translate("solar"), power("solar_power"), undefined],
      ["load_power", "mdi:home-lightning-bolt", translate("homes"), power("load_power"), undefined],
      ["state_of_charge", "mdi:battery-charging-medium", translate("storage"), charge, storage],
      ["frequency", "mdi:sine-wave", translate("frequency"), text(hass, find(site, "frequency")), deviation],
    ];
    return html`<div class="totals" role="group" aria-label=${translate("totalsLabel", site.name)}>
      ${figures.map(
        ([path, icon, name, value, more]) => html`<button
          class="figure ${path}"
          ?disabled=${!find(site, path)}
          aria-label="${name}: ${value ?? translate("noReading")}${more ? `, ${more}` : ""}"
          @click=${() => this.moreInfo(find(site, path))}
        >
          <ha-icon .icon=${icon} aria-hidden="true"></ha-icon>
          <span class="name">${name}</span>
          <span class="value">${value ?? "–"}</span>
          <span class="more">${more ?? nothing}</span>
        </button>`,
      )}
    </div>`;
  }

  private renderCluster(hass: Hass, { gateway, members }: Cluster, translate: Translate): TemplateResult {
    const summary = summarize(hass, gateway, translate);
    const contactorId = find(gateway, "contactor_closed");
    const closed = summary.condition === "offline" ? undefined : isOn(hass, contactorId);
    const state = translate(closed === undefined ? "contactorUnknown" : closed ? "closed" : "open");
    const flow =
      closed && summary.flow_w !== undefined ? flowText(summary.flow_w, translate, hass.locale) : undefined;
    const online = members.filter((node) => isOn(hass, find(node, "online", "binary_sensor."))).length;
    const count = translate("housesOnline", online, members.length);
    const charge = text(hass, find(gateway, "cluster_state_of_charge"));
    const facts = [text(hass, find(gateway, "cluster_frequency")), charge].filter(Boolean).join(" · ");
    const way = closed ? summary.direction : "none";
    const label = [gateway.name, summary.condition === "offline" ? translate("offline") : state, flow, facts, count];
    return html`<section class="group" aria-label=${gateway.name}>
      <button
        class="head ${summary.condition} flow-${way} ${closed === false ? "open" : ""}"
        aria-label=${label.filter(Boolean).join(", ")}
        @click=${() => this.moreInfo(summary.condition === "fault" ? summary.target : (contactorId ?? summary.target))}
      >
        <span class="tie">${contactor(closed)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${gateway.name}>${gateway.name}</span>${this.renderBadges(summary)}</span>
          <span class="line detail">
            <span class="state">${summary.condition === "offline" ? translate("offline") : state}</span>
            ${flow ? this.renderFlow(hass, summary) : nothing}
          </span>
          <span class="line detail">${summary.condition === "offline" ? count : facts || count}</span>
        </span>
      </button>
      ${this.renderRows(hass, members, translate)}
    </section>`;
  }

  private renderGroup(hass: Hass, name: string, members: readonly Node[], translate: Translate): TemplateResult {
    return html`<section class="group" aria-label=${name}>
      <div class="head plain">
        <span class="tie"></span>
        <span class="words"><span class="line"><span class="name">${name}</span></span></span>
      </div>
      ${this.renderRows(hass, members, translate)}
    </section>`;
  }

  private renderRows(hass: Hass, members: readonly Node[], translate: Translate): TemplateResult {
    return html`<ul class="rows">
      ${members.map((node) => this.renderRow(hass, node, translate))}
    </ul>`;
  }

  private renderRow(hass: Hass, node: Node, translate: Translate): TemplateResult {
    const summary = summarize(hass, node, translate);
    const offline = summary.condition === "offline";
    const low = summary.charge !== undefined && summary.charge < LOW_CHARGE ? "low" : "";
    return html`<li>
      <button
        class="row ${summary.condition} flow-${summary.direction} ${low}"
        aria-label=${summary.label}
        @click=${() => this.moreInfo(summary.target)}
      >
        <span class="drop"></span>
        <span class="glyph">${this.renderGlyph(node, summary)}</span>
        <span class="words">
          <span class="line"><span class="name" title=${node.name}>${node.name}</span>${this.renderBadges(summary)}</span>
          <span class="line detail">
            ${
              offline
                ? translate("offline")
                : html`${this.renderFlow(hass, summary)}
                  ${
                    summary.sun
                      ? html`<span class="sun"><ha-icon icon="mdi:white-balance-sunny"></ha-icon>${summary.sun}</span>`
                      : nothing
                  }
                  ${summary.facts.map((fact) => html`<span class="fact">${fact}</span>`)}`
            }
          </span>
        </span>
      </button>
    </li>`;
  }

  private renderGlyph(node: Node, summary: Summary): TemplateResult {
    const label = summary.charge === undefined ? undefined : `${Math.round(summary.charge)}%`;
    if (node.kind === "house") return vessel("house", summary.charge, label);
    if (node.kind === "battery") return vessel("battery", summary.charge, label);
    return html`<span class="icon"><ha-icon .icon=${iconOf(node)}></ha-icon></span>`;
  }

  private renderFlow(hass: Hass, summary: Summary): TemplateResult | typeof nothing {
    if (summary.flow_w === undefined) return nothing;
    return html`<span class="flow ${summary.direction}"
      ><span class="arrow">${ARROWS[summary.direction]}</span>${formatPower(Math.abs(summary.flow_w), hass.locale)}</span
    >`;
  }

  private renderBadges(summary: Summary): TemplateResult | typeof nothing {
    if (summary.condition !== "fault") return nothing;
    const [first, ...more] = summary.faultCodes;
    const codes = `${first ?? ""}${more.length ? ` +${more.length}` : ""}`;
    return html`<span class="fault-badge"><ha-icon icon="mdi:alert"></ha-icon>${codes}</span>`;
  }

  private moreInfo(entityId: string | undefined): void {
    if (!entityId) return;
    this.dispatchEvent(new CustomEvent("hass-more-info", { bubbles: true, composed: true, detail: { entityId } }));
  }
}
