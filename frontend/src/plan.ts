// The plan of the energy planner as the card draws it: rows out of an attribute that anybody could have written.

export const ACTIONS = ["charge", "store", "supply", "export", "keep", "rest"] as const;
export type Action = (typeof ACTIONS)[number];

/** An hour of the plan. */
export interface Hour {
  readonly start: Date;
  /** On the clock of the house, whatever the clock of the browser says. */
  readonly clock: string;
  readonly day: string;
  readonly action: Action;
  /** Of import, in the currency per kWh; undefined where nothing is bought (an island). */
  readonly price: number | undefined;
  /** Whether the price is published, or yesterday's stands in for it. */
  readonly known: boolean;
  /** State of charge at its end, %. */
  readonly charge: number | undefined;
}

const MOST_HOURS = 48;

const finite = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;

/** Read the attribute `plan`; rows that are none are left out. */
export function readPlan(attribute: unknown): Hour[] {
  if (!Array.isArray(attribute)) return [];
  const hours = attribute.slice(0, MOST_HOURS).flatMap((row: unknown): Hour[] => {
    if (typeof row !== "object" || row === null) return [];
    const { start, action, import_price, price_known, charge_percent } = row as Record<string, unknown>;
    const [, day, clock] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(String(start)) ?? [];
    const begin = new Date(String(start));
    const known = ACTIONS.find((each) => each === action);
    if (!day || !clock || !known || Number.isNaN(begin.getTime())) return [];
    return [
      {
        start: begin,
        clock,
        day,
        action: known,
        price: finite(import_price),
        known: price_known !== false,
        charge: finite(charge_percent),
      },
    ];
  });
  return hours;
}

/** Least and greatest price for the axis: zero is always on it, and a flat tariff has some height. */
export function priceRange(hours: readonly Hour[]): readonly [number, number] {
  const prices = hours.flatMap(({ price }) => (price === undefined ? [] : [price]));
  const top = Math.max(0, ...prices);
  const bottom = Math.min(0, ...prices);
  return top - bottom < 1e-6 ? [bottom, bottom + 1] : [bottom, top];
}
