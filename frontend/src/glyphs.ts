// Drawings of the swarm card: a house and a battery that fill with their charge, and the contactor of a gateway.

import { html, nothing, svg, type TemplateResult } from "lit";

// Outlines in a 40 × 40 box; `top` and `bottom` bound what is filled.
const SHAPES = {
  house: { outline: "M3.5 18 20 4.5 36.5 18V34a2.5 2.5 0 0 1-2.5 2.5H6A2.5 2.5 0 0 1 3.5 34Z", top: 4.5, bottom: 36.5 },
  battery: {
    outline:
      "M9 8.5h5.5V5a1.5 1.5 0 0 1 1.5-1.5h8A1.5 1.5 0 0 1 25.5 5v3.5H31a2.5 2.5 0 0 1 2.5 2.5V34a2.5 2.5 0 0 1-2.5 2.5H9A2.5 2.5 0 0 1 6.5 34V11A2.5 2.5 0 0 1 9 8.5Z",
    top: 8.5,
    bottom: 36.5,
  },
} as const;

export type Shape = keyof typeof SHAPES;

/** A vessel filled to `percent`; without a percentage it is drawn empty. */
export function vessel(shape: Shape, percent: number | undefined, label: string | undefined): TemplateResult {
  const { outline, top, bottom } = SHAPES[shape];
  const share = Math.min(Math.max((percent ?? 0) / 100, 0), 1);
  const level = bottom - share * (bottom - top);
  // Shapes of one kind share their clip path: several definitions under one id are the same drawing.
  return html`<svg class="vessel" viewBox="0 0 40 40" aria-hidden="true">
    <clipPath id=${shape}><path d=${outline} /></clipPath>
    <g clip-path=${`url(#${shape})`}>
      <rect class="fill" x="0" y=${level} width="40" height=${40 - level} />
    </g>
    <path class="outline" d=${outline} />
    ${label ? svg`<text x="20" y="30">${label}</text>` : nothing}
  </svg>`;
}

/** A contactor in a vertical line: bridged when closed, its arm swung out when open, a question mark when unknown. */
export function contactor(closed: boolean | undefined): TemplateResult {
  return html`<svg class="contactor" viewBox="0 0 24 32" aria-hidden="true">
    <rect class="gap" x="6" y="5" width="18" height="22" />
    ${
      closed === undefined
        ? svg`<text x="12" y="20.5">?</text>`
        : svg`<path class="arm" d=${closed ? "M12 5V27" : "M12 27 21.5 8.5"} />`
    }
    <circle cx="12" cy="5" r="3.2" /><circle cx="12" cy="27" r="3.2" />
  </svg>`;
}
