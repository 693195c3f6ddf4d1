// The looks that all cards share: the frame, what can be pressed, a figure with its icon.

import { css } from "lit";

export const cardStyles = css`
  :host {
    display: block;
    container-type: inline-size;
    /* Drawings and our own words run so in every language; in Hebrew or Arabic the rest of the page does not. */
    direction: ltr;
    --ground: var(--ha-card-background, var(--card-background-color, #fff));
  }
  ha-card {
    padding: 16px;
    box-sizing: border-box;
    height: 100%;
    font-size: var(--ha-font-size-m, 14px);
    line-height: 1.35;
    color: var(--primary-text-color);
  }
  .quiet {
    margin: 0;
    color: var(--secondary-text-color);
  }
  button {
    all: unset;
    box-sizing: border-box;
    cursor: pointer;
    border-radius: 10px;
    -webkit-tap-highlight-color: transparent;
  }
  button:disabled {
    cursor: default;
  }
  button:focus-visible {
    outline: 2px solid var(--primary-color);
    outline-offset: 1px;
  }
  @media (hover: hover) {
    button:enabled:hover {
      background: color-mix(in srgb, var(--primary-text-color) 5%, transparent);
    }
  }

  .figure {
    display: grid;
    grid-template-columns: auto 1fr;
    grid-template-areas: "icon name" "icon value" "icon more";
    column-gap: 12px;
    align-items: center;
    justify-content: start;
    padding: 8px;
    min-width: 0;
  }
  .figure ha-icon {
    grid-area: icon;
    --mdc-icon-size: 22px;
    padding: 10px;
    border-radius: 50%;
    color: var(--tint);
    background: color-mix(in srgb, var(--tint) 16%, transparent);
    align-self: start;
  }
  .figure .name {
    grid-area: name;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
  .figure .value {
    grid-area: value;
    font-weight: 500;
    font-variant-numeric: tabular-nums;
  }
  .figure .more {
    grid-area: more;
    min-height: 1.35em;
    font-size: var(--ha-font-size-s, 12px);
    color: var(--secondary-text-color);
  }
`;
