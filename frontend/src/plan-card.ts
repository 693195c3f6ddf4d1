// The card that shows what the batteries will do and why: figures, a sentence, and the plan of the hours to come.

import { html, nothing, svg, type TemplateResult } from "lit";

import { cardStyles } from "./card-styles";
import type { Hass, HassState, Locale } from "./hass";
import { ACTIONS, priceRange, readPlan, type Action, type Hour } from "./plan";
import { styles } from "./plan-card-styles";
import { formatNumber, present, stateOf, text } from "./readings";
import { SiteCard } from "./site-card";
import { translator, type Translate } from "./strings";
import { find, type Node, type Site } from "./swarm";

const PRICE_PX = 108;
const CHARGE_PX = 76;
const GAP_PX = 14;
const AXIS_PX = 20;
const LEFT_PX = 40;
/** Hours between two labels below the chart: as many as keep them apart. */
const LABEL_PX = 44;
const NO_FALLBACK = "none";

const ICONS: Readonly<Record<Action, string>> = {
  charge: "mdi:transmission-tower-import",
  store: "mdi:solar-power-variant",
  supply: "mdi:home-battery",
  export: "mdi:transmission-tower-export",
  keep: "mdi:battery-lock",
  rest: "mdi:sleep",
};

export class PlanCard extends SiteCard {
  static override styles = [cardStyles, styles];

  private planner: Node | undefined;

  getCardSize(): number {
    return 6;
  }

  protected override choose(sites: readonly Site[]): readonly string[] {
    this.planner = sites.find((site) => site.planner)?.planner;
    return this.planner?.entities.map((entity) => entity.entity_id) ?? [];
  }

  protected override render(): TemplateResult | typeof nothing {
    const hass = this.hass;
    if (!hass) return nothing;
    this.read(hass);
    const translate = translator(hass.language);
    const planner = this.planner;
    if (!planner) return html`<ha-card><p class="quiet">${translate("planAbsent")}</p></ha-card>`;
    const hours = readPlan(stateOf(hass, find(planner, "planner_plan"))?.attributes["plan"]);
    return html`<ha-card>
      <div role="group" aria-label=${planner.name}>
        ${this.renderFigures(hass, planner, translate)} ${this.renderWhy(hass, planner)}
        ${hours.length > 1 ? this.renderPlan(hass, planner, hours, translate) : html`<p class="quiet">${translate("planMissing")}</p>`}
      </div>
    </ha-card>`;
  }

  private renderFigures(hass: Hass, planner: Node, translate: Translate): TemplateResult {
    const actionId = find(planner, "planner_action");
    const action = ACTIONS.find((each) => each === present(hass, actionId)?.state);
    const nextId = find(planner, "planner_next_action");
    const next = text(hass, nextId);
    const since = /T(\d\d:\d\d)/.exec(String(stateOf(hass, nextId)?.attributes["start"]))?.[1];
    const priceId = find(planner, "planner_price");
    const worth = text(hass, find(planner, "planner_energy_worth"));
    const expected = text(hass, find(planner, "planner_expected_saving"));
    const total = text(hass, find(planner, "planner_saving_total"));
    const figures: readonly [string, string, string, string | undefined, string | undefined, string | undefined][] = [
      [
        `action ${action ?? ""}`,
        action ? ICONS[action] : "mdi:battery-clock",
        translate("planNow"),
        text(hass, actionId),
        next && since ? translate("planThen", since, next) : undefined,
        actionId,
      ],
      [
        "saving",
        "mdi:piggy-bank",
        translate("savingToday"),
        text(hass, find(planner, "planner_saving_today")),
        total && translate("savingInAll", total),
        find(planner, "planner_saving_today"),
      ],
      [
        "price",
        "mdi:cash-clock",
        translate("priceNow"),
        text(hass, priceId),
        worth && translate("worthOfStored", worth),
        priceId,
      ],
      [
        "expected",
        "mdi:chart-timeline-variant-shimmer",
        translate("savingExpected"),
        expected,
        translate("againstRule"),
        find(planner, "planner_expected_saving"),
      ],
    ];
    return html`<div class="figures">
      ${figures.map(
        ([kind, icon, name, value, more, target]) => html`<button
          class="figure ${kind}"
          ?disabled=${!target}
          aria-label="${name}: ${value ?? translate("noReading")}${more ? `, ${more}` : ""}"
          @click=${() => this.moreInfo(target)}
        >
          <ha-icon .icon=${icon} aria-hidden="true"></ha-icon>
          <span class="name">${name}</span>
          <span class="value">${value ?? "–"}</span>
          <span class="more">${more ?? nothing}</span>
        </button>`,
      )}
    </div>`;
  }

  /** Why, in a sentence; or why the plan does not steer. */
  private renderWhy(hass: Hass, planner: Node): TemplateResult | typeof nothing {
    const fallbackId = find(planner, "planner_fallback");
    const fallback = present(hass, fallbackId);
    if (fallback && fallback.state !== NO_FALLBACK) {
      return html`<p class="why fallback">
        <ha-icon icon="mdi:shield-alert-outline" aria-hidden="true"></ha-icon>${hass.formatEntityState(fallback)}
      </p>`;
    }
    const reason = stateOf(hass, find(planner, "planner_action"))?.attributes["reason"];
    return typeof reason === "string" && reason ? html`<p class="why">${reason}</p>` : nothing;
  }

  private renderPlan(hass: Hass, planner: Node, hours: readonly Hour[], translate: Translate): TemplateResult {
    const action = stateOf(hass, find(planner, "planner_action"));
    const unit = String(stateOf(hass, find(planner, "planner_price"))?.attributes["unit_of_measurement"] ?? "");
    const reserve = stateOf(hass, find(planner, "planner_plan"))?.attributes["reserve_percent"];
    const present = ACTIONS.filter((each) => hours.some((hour) => hour.action === each));
    const words = (each: Action) => (action ? hass.formatEntityState({ ...action, state: each } as HassState) : each);
    const width = Math.max(this._width - 32, 240);
    return html`<figure>
      <figcaption>${translate("planOf", hours.length)}${unit ? html`<span>${unit}</span>` : nothing}</figcaption>
      ${chart(hours, width, typeof reserve === "number" ? reserve : undefined, unit, words, hass.locale, translate)}
      <p class="legend" aria-hidden="true">
        ${present.map((each) => html`<span class="key ${each}"><i></i>${words(each)}</span>`)}
        <span class="key level"><i></i>${translate("stateOfCharge")}</span>
      </p>
    </figure>`;
  }

  private moreInfo(entityId: string | undefined): void {
    if (!entityId) return;
    this.dispatchEvent(new CustomEvent("hass-more-info", { bubbles: true, composed: true, detail: { entityId } }));
  }
}

/** Bars for prices, coloured by what is done in that hour, above the state of charge that follows from it. */
function chart(
  hours: readonly Hour[],
  width: number,
  reserve: number | undefined,
  unit: string,
  words: (action: Action) => string,
  locale: Locale,
  translate: Translate,
): TemplateResult {
  const priced = hours.some(({ price }) => price !== undefined);
  const pricePx = priced ? PRICE_PX : 0;
  const gap = priced ? GAP_PX : 0;
  const height = pricePx + gap + CHARGE_PX + AXIS_PX;
  const step = (width - LEFT_PX) / hours.length;
  const x = (place: number) => LEFT_PX + place * step;
  const [bottom, top] = priceRange(hours);
  const priceY = (price: number) => 4 + ((top - price) / (top - bottom)) * (pricePx - 8);
  const floor = pricePx + gap + CHARGE_PX;
  const chargeY = (percent: number) => floor - (Math.min(Math.max(percent, 0), 100) / 100) * (CHARGE_PX - 6);
  const digits = (price: number) => formatNumber(price, 2, locale);

  const every = [1, 2, 3, 6, 12].find((count) => count * step >= LABEL_PX) ?? 24;
  const level = hours.flatMap(({ charge }, place) => (charge === undefined ? [] : [`${x(place + 1)},${chargeY(charge)}`]));
  const spoken = [
    translate("planOf", hours.length),
    ...runs(hours).map(({ from, action }) => `${from.clock} ${words(action)}`),
  ].join(", ");

  return html`<svg class="chart" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img" aria-label=${spoken}>
    ${
      priced
        ? svg`${[top, bottom === 0 ? 0 : bottom, ...(bottom < 0 ? [0] : [])].map(
            (price) => svg`
          <line class="grid" x1=${LEFT_PX} x2=${width} y1=${priceY(price)} y2=${priceY(price)} />
          <text class="axis" x=${LEFT_PX - 6} y=${priceY(price) + 4} text-anchor="end">${digits(price)}</text>`,
          )}`
        : nothing
    }
    ${[0, 50, 100].map(
      (percent) => svg`
        <line class="grid" x1=${LEFT_PX} x2=${width} y1=${chargeY(percent)} y2=${chargeY(percent)} />
        <text class="axis" x=${LEFT_PX - 6} y=${chargeY(percent) + 4} text-anchor="end">${percent}%</text>`,
    )}
    ${hours.map((hour, place) => {
      const begins = place > 0 && hour.day !== hours[place - 1]?.day;
      const labelled = Number(hour.clock.slice(0, 2)) % every === 0;
      const price = hour.price;
      const said = [
        hour.clock,
        words(hour.action),
        ...(price === undefined ? [] : [`${formatNumber(price, 3, locale)} ${unit}`]),
        ...(hour.charge === undefined ? [] : [`${formatNumber(hour.charge, 0, locale)} %`]),
        ...(hour.known ? [] : [translate("priceExpected")]),
      ].join(" · ");
      return svg`<g class="hour ${hour.action} ${hour.known ? "" : "guessed"}">
        ${begins ? svg`<line class="midnight" x1=${x(place)} x2=${x(place)} y1="0" y2=${floor} />` : nothing}
        ${
          price === undefined
            ? nothing
            : svg`<rect class="bar" x=${x(place) + 0.75} width=${Math.max(step - 1.5, 1)} rx="1.5"
                y=${Math.min(priceY(price), priceY(0))} height=${Math.max(Math.abs(priceY(price) - priceY(0)), 1.5)} />`
        }
        ${labelled ? svg`<text class="axis" x=${x(place)} y=${floor + 15} text-anchor="middle">${hour.clock}</text>` : nothing}
        <rect class="touch" x=${x(place)} y="0" width=${step} height=${floor}><title>${said}</title></rect>
      </g>`;
    })}
    ${
      level.length > 1
        ? svg`<polygon class="stored" points="${level[0]?.split(",")[0]},${floor} ${level.join(" ")} ${level.at(-1)?.split(",")[0]},${floor}" />
          <polyline class="charge-line" points=${level.join(" ")} />`
        : nothing
    }
    ${
      reserve === undefined || reserve <= 0
        ? nothing
        : svg`<line class="reserve" x1=${LEFT_PX} x2=${width} y1=${chargeY(reserve)} y2=${chargeY(reserve)}><title>${translate("reserve")}</title></line>`
    }
  </svg>`;
}

/** Hours with the same action in a row, by their first one. */
function runs(hours: readonly Hour[]): { from: Hour; action: Action }[] {
  return hours
    .filter((hour, place) => hour.action !== hours[place - 1]?.action)
    .map((from) => ({ from, action: from.action }));
}
