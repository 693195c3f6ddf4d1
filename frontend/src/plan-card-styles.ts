// The looks of the plan card: the colours of Home Assistant's energy pages, so that a battery is a battery everywhere.

import { css } from "lit";

export const styles = css`
  :host {
    --charge: var(--energy-grid-consumption-color, #488fc2);
    --store: var(--energy-solar-color, #ff9800);
    --supply: var(--energy-battery-out-color, #4db6ac);
    --export: var(--energy-grid-return-color, #8353d1);
    --keep: color-mix(in srgb, var(--energy-battery-out-color, #4db6ac) 45%, var(--ground));
    --rest: color-mix(in srgb, var(--primary-text-color) 26%, var(--ground));
    --level: var(--primary-text-color);
  }

  /* ---- figures ---- */
  .figures {
    display: grid;
    grid-template-columns: repeat(4, minmax(0, 1fr));
    gap: 4px;
  }
  .figure {
    --tint: var(--rest);
  }
  .figure .value {
    font-size: 20px;
    line-height: 1.25;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .action {
    --tint: var(--secondary-text-color);
  }
  .saving {
    --tint: var(--success-color, #43a047);
  }
  .price {
    --tint: var(--charge);
  }
  .expected {
    --tint: var(--export);
  }
  .figure.charge {
    --tint: var(--charge);
  }
  .figure.store {
    --tint: var(--store);
  }
  .figure.supply,
  .figure.keep {
    --tint: var(--supply);
  }
  .figure.export {
    --tint: var(--export);
  }

  .why {
    margin: 8px 8px 0;
    color: var(--primary-text-color);
    text-wrap: pretty;
  }
  .why.fallback {
    display: flex;
    gap: 8px;
    align-items: center;
    padding: 8px 12px;
    border-radius: 10px;
    background: color-mix(in srgb, var(--warning-color, #ffa600) 14%, transparent);
  }
  .why.fallback ha-icon {
    color: var(--warning-color, #ffa600);
    --mdc-icon-size: 20px;
  }

  /* ---- the hours to come ---- */
  figure {
    margin: 16px 0 0;
  }
  figcaption {
    display: flex;
    justify-content: space-between;
    margin: 0 0 6px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .chart {
    display: block;
    max-width: 100%;
    overflow: visible;
  }
  .axis {
    font-size: 11px;
    fill: var(--secondary-text-color);
    font-variant-numeric: tabular-nums;
  }
  .grid {
    stroke: var(--divider-color, #e0e0e0);
    stroke-width: 1;
  }
  .midnight {
    stroke: var(--secondary-text-color);
    stroke-width: 1;
    stroke-dasharray: 2 3;
    opacity: 0.7;
  }
  .hour {
    --own: var(--rest);
  }
  .charge {
    --own: var(--charge);
  }
  .store {
    --own: var(--store);
  }
  .supply {
    --own: var(--supply);
  }
  .export {
    --own: var(--export);
  }
  .keep {
    --own: var(--keep);
  }
  .rest {
    --own: var(--rest);
  }
  .bar {
    fill: var(--own);
  }
  .guessed .bar {
    opacity: 0.55;
  }
  .touch {
    fill: transparent;
  }
  .hour:hover .touch {
    fill: color-mix(in srgb, var(--primary-text-color) 7%, transparent);
  }
  .stored {
    fill: color-mix(in srgb, var(--supply) 18%, transparent);
    pointer-events: none;
  }
  .charge-line {
    fill: none;
    stroke: var(--supply);
    stroke-width: 2;
    stroke-linejoin: round;
    pointer-events: none;
  }
  .reserve {
    stroke: var(--warning-color, #ffa600);
    stroke-width: 1.25;
    stroke-dasharray: 5 4;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 16px;
    margin: 8px 0 0;
    padding-left: 40px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .key {
    display: inline-flex;
    align-items: center;
    gap: 6px;
  }
  .key i {
    width: 10px;
    height: 10px;
    border-radius: 3px;
    background: var(--own);
  }
  .key.level i {
    height: 2px;
    width: 14px;
    border-radius: 1px;
    background: var(--supply);
  }

  @container (max-width: 720px) {
    .figures {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }
  @container (max-width: 420px) {
    .figure {
      grid-template-columns: 1fr;
      grid-template-areas: "name" "value" "more";
    }
    .figure ha-icon {
      display: none;
    }
    .legend {
      padding-left: 0;
    }
  }
`;
