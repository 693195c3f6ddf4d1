// The looks of the swarm card: colours of the theme, one grid for phone and desktop, movement only where it is welcome.

import { css } from "lit";

export const styles = css`
  :host {
    --line: color-mix(in srgb, var(--primary-text-color) 24%, var(--ground));
    --out: var(--energy-grid-return-color, #8353d1);
    --in: var(--energy-grid-consumption-color, #488fc2);
    --solar: var(--energy-solar-color, #ff9800);
    --charge: var(--energy-battery-out-color, #4db6ac);
    --fault: var(--error-color, #db4437);
    --low: var(--warning-color, #ffa600);
    --bus: 4px;
    --trunk: 16px; /* x of the vertical line of a group */
  }

  /* ---- totals ---- */
  .totals {
    display: grid;
    grid-template-columns: repeat(4, 1fr);
    gap: 4px;
    max-width: 860px;
    margin: 0 auto;
  }
  .figure .value {
    font-size: 22px;
    line-height: 1.2;
    white-space: nowrap;
  }
  .solar_power {
    --tint: var(--solar);
  }
  .load_power {
    --tint: var(--in);
  }
  .state_of_charge {
    --tint: var(--charge);
  }
  .frequency {
    --tint: var(--out);
  }

  /* ---- the bus: one line above each band of groups, joined by a rail at the left when there are several ---- */
  .bands {
    --rail: 0px;
    margin-top: 8px;
    padding-left: var(--rail);
  }
  .bands.several {
    --rail: 12px;
  }
  .band {
    position: relative;
    display: grid;
    grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
    padding-bottom: 12px;
  }
  .band:last-child {
    padding-bottom: 0;
  }
  .several .band:not(:last-child)::before {
    content: "";
    position: absolute;
    left: calc(0px - var(--rail));
    top: 0;
    bottom: 0;
    width: var(--bus);
    background: var(--line);
  }
  .group {
    position: relative;
    min-width: 0;
  }
  .group::before {
    content: "";
    position: absolute;
    top: 0;
    height: var(--bus);
    background: var(--line);
    left: calc(var(--trunk) - 1px);
    right: calc(1px - var(--trunk));
  }
  .group:last-child::before {
    right: auto;
    width: 2px;
  }
  .several .group:first-child::before {
    left: calc(0px - var(--rail));
  }
  .several .group:first-child:last-child::before {
    width: calc(var(--rail) + var(--trunk) + 1px);
  }
  .legend {
    display: flex;
    justify-content: flex-end;
    gap: 16px;
    margin: 12px 0 0;
    font-size: var(--ha-font-size-s, 12px);
  }
  .legend .flow {
    color: var(--secondary-text-color);
  }

  /* ---- gateway and its contactor ---- */
  .head {
    box-sizing: border-box;
    position: relative;
    display: flex;
    width: 100%;
    min-height: 76px;
    padding: 10px 4px 4px 0;
    border-radius: 0 10px 10px 0;
  }
  .stacked .head.plain {
    min-height: 40px;
  }
  .tie {
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  .contactor {
    position: absolute;
    left: -11px;
    top: calc(50% - 14px);
    width: 24px;
    height: 32px;
    overflow: visible;
  }
  .contactor .gap {
    fill: var(--ground);
  }
  .contactor .arm {
    fill: none;
    stroke: var(--primary-text-color);
    stroke-width: 2.5;
    stroke-linecap: round;
  }
  .contactor circle {
    fill: var(--ground);
    stroke: var(--primary-text-color);
    stroke-width: 2;
  }
  .contactor text {
    fill: var(--secondary-text-color);
    font-size: 14px;
    font-weight: 600;
    text-anchor: middle;
  }
  .head .words {
    padding-left: 40px;
  }
  .head .name {
    font-weight: 600;
  }
  .head.open .state {
    font-weight: 500;
    color: var(--primary-text-color);
  }

  /* ---- what hangs in a group ---- */
  .rows {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  li {
    position: relative;
    padding-left: var(--trunk);
  }
  li::before {
    content: "";
    position: absolute;
    left: calc(var(--trunk) - 1px);
    top: 0;
    bottom: 0;
    width: 2px;
    background: var(--line);
  }
  li:last-child::before {
    bottom: calc(50% - 1px);
  }
  .row {
    position: relative;
    display: flex;
    align-items: center;
    width: 100%;
    min-height: 52px;
    border-radius: 0 10px 10px 0;
  }
  .drop {
    flex: none;
    width: 24px;
    height: 2px;
    background: var(--line);
  }
  .glyph {
    flex: none;
    display: flex;
    position: relative;
    width: 40px;
    height: 40px;
  }
  .vessel {
    width: 40px;
    height: 40px;
    overflow: visible;
  }
  .vessel .fill {
    fill: color-mix(in srgb, var(--tint) 45%, transparent);
    transition:
      y 0.6s,
      height 0.6s;
  }
  .vessel .outline {
    fill: none;
    stroke: var(--tint);
    stroke-width: 1.8;
    stroke-linejoin: round;
  }
  .vessel text {
    fill: var(--primary-text-color);
    font-size: 11px;
    font-weight: 600;
    text-anchor: middle;
    font-variant-numeric: tabular-nums;
  }
  .row {
    --tint: var(--charge);
  }
  .row.low {
    --tint: var(--low);
  }
  .row.fault {
    --tint: var(--fault);
  }
  .row.offline {
    --tint: var(--disabled-text-color, #bdbdbd);
  }
  .row.offline .outline {
    stroke-dasharray: 3 3;
  }
  .row.offline .vessel text {
    display: none;
  }
  .row.offline .name,
  .head.offline .name {
    color: var(--secondary-text-color);
  }
  .icon {
    display: grid;
    place-items: center;
    width: 36px;
    height: 36px;
    margin: 2px;
    border-radius: 50%;
    color: var(--secondary-text-color);
    background: color-mix(in srgb, var(--primary-text-color) 7%, transparent);
    --mdc-icon-size: 20px;
  }
  .row.fault .icon {
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
  }
  .row .words {
    padding-left: 10px;
  }

  /* ---- words ---- */
  .words {
    display: flex;
    flex-direction: column;
    flex: 1;
    min-width: 0;
    padding-right: 4px;
  }
  .line {
    display: flex;
    align-items: center;
    gap: 8px;
    min-width: 0;
  }
  .line .name {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .detail {
    flex-wrap: wrap;
    gap: 0 8px;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
    font-variant-numeric: tabular-nums;
  }
  .detail > * {
    white-space: nowrap;
  }
  .flow {
    color: var(--primary-text-color);
  }
  .arrow {
    display: inline-block;
    width: 12px;
    font-size: 9px;
    vertical-align: 1px;
  }
  .flow.out .arrow {
    color: var(--out);
  }
  .flow.in .arrow {
    color: var(--in);
  }
  .flow.none {
    color: var(--secondary-text-color);
  }
  .flow.none .arrow {
    display: none;
  }
  .sun {
    display: inline-flex;
    align-items: center;
    gap: 3px;
    --mdc-icon-size: 13px;
  }
  .sun ha-icon {
    display: flex;
    color: var(--solar);
  }
  .fault-badge {
    flex: none;
    display: inline-flex;
    align-items: center;
    gap: 3px;
    padding: 1px 6px 1px 4px;
    border-radius: 9px;
    font-size: 11px;
    font-weight: 600;
    color: var(--fault);
    background: color-mix(in srgb, var(--fault) 14%, transparent);
    --mdc-icon-size: 13px;
  }

  /* ---- flow: dashes that move with the power; the arrows say the same without colour and movement ---- */
  .flow-out {
    --flow: var(--out);
  }
  .flow-in {
    --flow: var(--in);
  }
  .flow-out .drop,
  .flow-in .drop {
    background: repeating-linear-gradient(to right, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 8px 100%;
  }
  .flow-out .tie,
  .flow-in .tie {
    background: repeating-linear-gradient(to bottom, var(--flow) 0 5px, transparent 5px 8px);
    background-size: 100% 8px;
  }
  .offline .drop {
    background: repeating-linear-gradient(to right, var(--line) 0 3px, transparent 3px 6px);
  }
  @media (prefers-reduced-motion: no-preference) {
    .flow-in .drop {
      animation: along 0.8s linear infinite;
    }
    .flow-out .drop {
      animation: along 0.8s linear infinite reverse;
    }
    .flow-in .tie {
      animation: down 0.8s linear infinite;
    }
    .flow-out .tie {
      animation: down 0.8s linear infinite reverse;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .vessel .fill {
      transition: none;
    }
  }
  @keyframes along {
    to {
      background-position-x: 8px;
    }
  }
  @keyframes down {
    to {
      background-position-y: 8px;
    }
  }

  @container (max-width: 600px) {
    .totals {
      grid-template-columns: repeat(2, 1fr);
    }
    .figure {
      padding: 6px 4px;
      column-gap: 10px;
    }
    .figure .value {
      font-size: 20px;
    }
  }
`;
