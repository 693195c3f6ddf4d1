// The pages of the dashboard: which cards stand where, made of Home Assistant's own cards and the swarm card.

import type { Config, EntityEntry, Hass } from "./hass";
import type { StringKey, Translate } from "./strings";
import { find, nodesOf, shown, type Cluster, type Kind, type Node, type Part, type Site } from "./swarm";

interface Section extends Config {
  readonly cards: readonly Config[];
}

export interface Context {
  readonly hass: Hass;
  readonly translate: Translate;
}

const HOURS = 24;
const GRAPH_ROWS = 5;

/** What a page shows of a node first and in which order; `component.key` names a quantity of a part. */
export const HOUSE_TILES = [
  "exchange_power",
  "load_power",
  "mppt.solar_power",
  "battery.power",
  "inverter.frequency",
  "inverter.voltage",
  "battery.cell_voltage_spread",
  "health",
];
export const GATEWAY_TILES = [
  "contactor_closed",
  "power_flow",
  "cluster_frequency",
  "swarm_frequency",
  "cluster_load_power",
  "cluster_solar_power",
  "cluster_health",
  "houses_online",
];

interface Page {
  readonly icon: string;
  /** Shown first, in this order; everything else that is enabled and no diagnosis follows. */
  readonly first: readonly string[];
  readonly graphs: readonly (readonly [StringKey, readonly string[]])[];
}

export const DEVICE_PAGES: Readonly<Record<Kind, Page>> = {
  heat_pump: {
    icon: "mdi:heat-pump",
    first: [
      "outlet_temperature",
      "inlet_temperature",
      "apparent_power",
      "compressor_running",
      "fan_running",
      "defrost_active",
    ],
    graphs: [["temperatures", ["outlet_temperature", "inlet_temperature", "ambient_temperature"]]],
  },
  mpp_inverter: {
    icon: "mdi:power-socket-de",
    first: ["ac_output_active_power", "solar_power", "output_load_percent", "mode", "battery_voltage", "grid_voltage"],
    graphs: [["power", ["ac_output_active_power", "solar_power"]]],
  },
  battery: {
    icon: "mdi:battery",
    first: ["power", "schedule_mode", "voltage", "current", "temperature"],
    graphs: [["power", ["power"]]],
  },
  victron_gx: {
    icon: "mdi:home-battery",
    first: ["battery_power", "solar_power", "grid_power", "consumption_power", "system_state"],
    graphs: [["power", ["solar_power", "consumption_power", "grid_power", "battery_power"]]],
  },
  house: { icon: "mdi:home", first: HOUSE_TILES, graphs: [["power", ["exchange_power", "load_power"]]] },
  gateway: { icon: "mdi:transmission-tower", first: GATEWAY_TILES, graphs: [["power", ["power_flow"]]] },
  site: { icon: "mdi:transmission-tower", first: [], graphs: [] },
  other: { icon: "mdi:chip", first: [], graphs: [] },
};

const PART_PAGES: Readonly<Record<string, string>> = {
  sensors: "mdi:thermometer",
  weather: "mdi:weather-partly-cloudy",
};

// ---- cards ----------------------------------------------------------------------------------------------------------

const ENTITY_NAME = { type: "entity" };
const DEVICE_NAME = { type: "device" };
const PARENT_NAME = { type: "parent_device" };

const tile = (entity: string, more: Config = {}): Config => ({ type: "tile", entity, name: ENTITY_NAME, ...more });

const heading = (text: string, icon?: string, badges: readonly (string | undefined)[] = []): Config => ({
  type: "heading",
  heading: text,
  ...(icon ? { icon } : {}),
  badges: badges.filter(Boolean).map((entity) => ({ type: "entity", entity, show_state: true, show_icon: true })),
});

const section = (cards: readonly Config[], more: Config = {}): Section => ({ type: "grid", cards, ...more });

/** Paths of quantities → entities that exist. */
const found = (node: Node, paths: readonly string[]): string[] =>
  paths.map((path) => find(node, path)).filter((id): id is string => id !== undefined);

// Quantities that several parts of a node have: only with the name of the part is it clear whose it is.
const SHARED = new Set(["power", "voltage", "current", "frequency", "temperature"]);

/** Tiles below a heading that names the node, so that they name only the quantity and, where needed, the part. */
function tiles(node: Node, paths: readonly string[]): Config[] {
  return paths.flatMap((path) => {
    const [component, key] = path.split(".");
    const entity = find(node, path);
    if (!entity) return [];
    return [tile(entity, component && key && SHARED.has(key) ? { name: [DEVICE_NAME, ENTITY_NAME] } : {})];
  });
}

/** A tile with a bar for a share in percent. */
const gauge = (entity: string | undefined, name: unknown = ENTITY_NAME): Config[] =>
  entity
    ? [
        tile(entity, {
          name,
          features: [{ type: "bar-gauge", min: 0, max: 100 }],
          features_position: "inline",
          grid_options: { columns: "full" },
        }),
      ]
    : [];

/** A graph of the last day; only with Home Assistant's history and something to show. */
function history(context: Context, title: string, entities: readonly (string | Config)[], more: Config = {}): Config[] {
  if (!entities.length || !context.hass.config.components.includes("history")) return [];
  return [
    { ...heading(title), ...more },
    {
      type: "history-graph",
      hours_to_show: HOURS,
      entities: entities.map((entity) => (typeof entity === "string" ? { entity, name: ENTITY_NAME } : entity)),
      grid_options: { columns: "full", rows: GRAPH_ROWS },
    },
  ];
}

const GRAPH_ICONS: Partial<Record<StringKey, string>> = {
  power: "mdi:flash",
  stateOfCharge: "mdi:battery-50",
  frequency: "mdi:sine-wave",
  priceNow: "mdi:cash-clock",
};

/** Headings that say whose what follows is, where a page shows several swarms. */
const titles = (site: Site, several: boolean) => (title: string) => (several ? `${site.node.name}: ${title}` : title);

/** Sections with one graph of the last day each. */
const dayGraphs = (
  context: Context,
  graphs: readonly (readonly [StringKey, readonly (string | Config)[]])[],
  titled = (title: string) => title,
): Section[] =>
  graphs.map(([quantity, entities]) => {
    const { translate } = context;
    const title = titled(`${translate(quantity)} · ${translate("last24Hours")}`);
    return section(history(context, title, entities, { icon: GRAPH_ICONS[quantity] }));
  });

const SUBTITLE = { heading_style: "subtitle" };
const named = (node: Node, path: string): Config[] =>
  found(node, [path]).map((entity) => ({ entity, name: node.name }));

/** Entities of a part that are neither settings, diagnoses nor events, the wanted ones first. */
function readings(part: Part, first: readonly string[]): EntityEntry[] {
  const rank = (entity: EntityEntry) => {
    const place = first.indexOf(entity.translation_key ?? "");
    return place < 0 ? first.length : place;
  };
  return shown(part)
    .filter((entity) => !entity.entity_category && !entity.entity_id.startsWith("event."))
    .filter((entity) => entity.translation_key !== "problem")
    .sort((a, b) => rank(a) - rank(b));
}

// ---- views ----------------------------------------------------------------------------------------------------------

const view = (
  title: string,
  path: string,
  icon: string | undefined,
  sections: readonly Section[],
  more: Config = {},
): Config => ({
  type: "sections",
  title,
  path,
  ...(icon ? { icon } : {}),
  max_columns: 3,
  dense_section_placement: true,
  sections: sections.filter((part) => part.cards.length > 0),
  ...more,
});

/** The page that everybody sees first. */
export function overview(context: Context, sites: readonly Site[]): Config {
  const { translate } = context;
  const several = sites.length > 1;
  const badges = sites.flatMap((site) =>
    found(site.node, ["active_faults", "nodes_online", "lowest_state_of_charge"]).map((entity) => ({
      type: "entity",
      entity,
      name: several ? [DEVICE_NAME, ENTITY_NAME] : ENTITY_NAME,
      show_name: true,
    })),
  );
  const sections = sites.flatMap((site) => [
    section(
      [
        ...(several ? [heading(site.node.name)] : []),
        { type: "custom:microgrid-swarm-card", site: site.node.deviceId },
      ],
      { column_span: 3 },
    ),
    problems(context, site, undefined),
    planSection(context, site, several),
    ...dayGraphs(
      context,
      [
        ["power", found(site.node, ["solar_power", "load_power", "battery_power"])],
        ["stateOfCharge", found(site.node, ["state_of_charge", "lowest_state_of_charge"])],
        ["frequency", found(site.node, ["frequency"])],
      ],
      titles(site, several),
    ),
  ]);
  return view(translate("title"), "overview", undefined, sections, { badges });
}

/** What the batteries do next and why, where somebody plans. */
function planSection({ translate }: Context, site: Site, several: boolean): Section {
  const action = site.planner && find(site.planner, "planner_action");
  const title = several ? [heading(titles(site, several)(translate("planTitle")))] : [];
  const cards = action ? [...title, { type: "custom:microgrid-plan-card", site: site.node.deviceId }] : [];
  return section(cards, { column_span: 3 });
}

/** Everything about money: the plan, what it saved, what is chosen, and who pays whom. */
export function energyView(context: Context, sites: readonly Site[]): Config | undefined {
  const { hass, translate } = context;
  const several = sites.filter((site) => site.planner).length > 1;
  const sections = sites.flatMap((site) => {
    const planner = site.planner;
    if (!planner) return [];
    const titled = titles(site, several);
    const saving = find(planner, "planner_saving_total");
    const bill = (span: Span) => settled(planner, `planner_bill_${span}`, `planner_payment_${span}`);
    return [
      planSection(context, site, several),
      section([
        heading(titled(translate("planning")), "mdi:tune-variant"),
        ...found(planner, ["automatic_planning", "planner_strategy"]).map((entity) =>
          tile(entity, { grid_options: { columns: "full" } }),
        ),
        ...found(planner, ["planner_reserve"]).map((entity) =>
          tile(entity, { features: [{ type: "numeric-input", style: "slider" }], grid_options: { columns: "full" } }),
        ),
        ...found(planner, ["planner_saving_today", "planner_saving_total", "planner_energy_worth", "planner_plan"]).map(
          (entity) => tile(entity),
        ),
      ]),
      ...dayGraphs(context, [["priceNow", found(planner, ["planner_price"])]], titled),
      section(
        saving && hass.config.components.includes("history")
          ? [
              heading(titled(translate("savings")), "mdi:piggy-bank"),
              {
                type: "statistics-graph",
                chart_type: "bar",
                period: "day",
                days_to_show: 14,
                stat_types: ["change"],
                hide_legend: true,
                entities: [{ entity: saving, name: ENTITY_NAME }],
                grid_options: { columns: "full", rows: GRAPH_ROWS },
              },
            ]
          : [],
      ),
      ...(["today", "month"] as const).map((span) =>
        section(
          bill(span).length
            ? [
                heading(
                  titled(`${translate("settlement")} · ${translate(span === "today" ? "today" : "thisMonth")}`),
                  "mdi:receipt-text",
                ),
                { type: "entities", entities: bill(span), show_header_toggle: false, grid_options: { columns: "full" } },
                ...(span === "today" ? [{ type: "markdown", content: translate("settlementNote"), text_only: true }] : []),
              ]
            : [],
        ),
      ),
    ];
  });
  return sections.length ? view(translate("energy"), "energy", undefined, sections) : undefined;
}

type Span = "today" | "month";

/** The bill of the connection above the payments that it is the sum of. */
function settled(planner: Node, bill: string, payment: string): Config[] {
  const payments = shown(planner).filter((entity) => entity.translation_key === payment);
  return [...found(planner, [bill]), ...payments.map((entity) => entity.entity_id)].map((entity) => ({
    entity,
    name: ENTITY_NAME,
  }));
}

/** One page for a cluster: its gateway, its graphs, its houses. */
export function clusterView(context: Context, { gateway, members }: Cluster, path: string): Config {
  const charge = members.flatMap((node) => named(node, "battery.state_of_charge"));
  return view(gateway.name, path, undefined, [
    section([
      heading(gateway.name, "mdi:transmission-tower", found(gateway, ["problem", "online"])),
      ...gauge(find(gateway, "cluster_state_of_charge")),
      ...tiles(gateway, GATEWAY_TILES),
    ]),
    ...dayGraphs(context, [
      ["power", found(gateway, ["power_flow", "cluster_load_power", "cluster_solar_power"])],
      ["stateOfCharge", charge],
      ["frequency", found(gateway, ["cluster_frequency", "swarm_frequency"])],
    ]),
    ...members.map(houseSection),
  ]);
}

/** Houses that no gateway claims. */
export function otherHousesView(context: Context, houses: readonly Node[], path: string): Config {
  return view(context.translate("houses"), path, undefined, houses.map(houseSection));
}

function houseSection(node: Node): Section {
  const cards =
    node.kind === "house"
      ? [...gauge(find(node, "battery.state_of_charge")), ...tiles(node, HOUSE_TILES)]
      : readings(node, DEVICE_PAGES[node.kind].first).map((entity) => tile(entity.entity_id));
  return section([heading(node.name, DEVICE_PAGES[node.kind].icon, found(node, ["problem", "online"])), ...cards]);
}

/** Everything that stands for itself: heat pump, inverter, battery, sensors. */
export function devicesView(context: Context, sites: readonly Site[]): Config | undefined {
  const sections = sites.flatMap((site) => [
    ...site.devices.map((node) => {
      const page = DEVICE_PAGES[node.kind];
      const charge = find(node, "state_of_charge");
      return section([
        heading(node.name, page.icon, found(node, ["problem", "online"])),
        ...gauge(charge),
        ...readings(node, page.first)
          .filter((entity) => entity.entity_id !== charge)
          .map((entity) => tile(entity.entity_id)),
        ...node.parts.flatMap((part) =>
          readings(part, []).map((entity) => tile(entity.entity_id, { name: [DEVICE_NAME, ENTITY_NAME] })),
        ),
        ...page.graphs.flatMap(([title, keys]) =>
          history(context, context.translate(title), found(node, keys), SUBTITLE),
        ),
      ]);
    }),
    ...site.node.parts.map((part) =>
      section(
        readings(part, []).length
          ? [
              heading(part.name, PART_PAGES[part.component] ?? DEVICE_PAGES.other.icon),
              ...readings(part, []).map((entity) => tile(entity.entity_id)),
            ]
          : [],
      ),
    ),
  ]);
  const page = view(context.translate("devices"), "devices", undefined, sections);
  return (page["sections"] as Config[]).length ? page : undefined;
}

/** Tiles of active problems, each there only while its problem is, and a card for when there is none. */
function problems({ translate }: Context, site: Site, otherwise: Config | undefined): Section {
  const entities = nodesOf(site).flatMap((node) => found(node, ["problem"]));
  const active = entities.map((entity) => ({ condition: "state", entity, state: "on" }));
  const trouble = { condition: "or", conditions: active };
  const cards = entities.length
    ? [
        { ...heading(translate("problems"), "mdi:alert"), visibility: [trouble] },
        ...entities.map((entity, index) => ({
          ...tile(entity, {
            name: DEVICE_NAME,
            color: "red",
            state_content: ["codes", "last_changed"],
            grid_options: { columns: 12 },
          }),
          visibility: [active[index]],
        })),
      ]
    : [];
  const calm = otherwise ? [{ ...otherwise, visibility: [{ condition: "not", conditions: [trouble] }] }] : [];
  return section([...cards, ...calm], otherwise ? {} : { column_span: 3, visibility: [trouble] });
}

function nameOf(hass: Hass, entity: EntityEntry | undefined): string {
  const state = entity && hass.states[entity.entity_id];
  return state ? hass.formatEntityName(state, ENTITY_NAME) : (entity?.translation_key ?? "").replaceAll("_", " ");
}

/** A section for each quantity that several nodes have, so that the odd one out is seen; one a node for the rest. */
function diagnoses(hass: Hass, nodes: readonly Node[]): Section[] {
  const quantities = new Map<string, { node: Node; part: Part; entity: EntityEntry }[]>();
  for (const node of nodes) {
    for (const part of [node, ...node.parts]) {
      for (const entity of shown(part)) {
        const key = entity.translation_key ?? entity.entity_id;
        if (entity.entity_category !== "diagnostic" || key === "online") continue;
        quantities.set(key, [...(quantities.get(key) ?? []), { node, part, entity }]);
      }
    }
  }
  const sections = new Map<string, Config[]>();
  for (const places of quantities.values()) {
    const alone = places.length === 1;
    const quantity = nameOf(hass, places[0]?.entity);
    for (const { node, part, entity } of places) {
      const title = alone ? node.name : quantity;
      const own = part === node;
      const name = alone ? (own ? ENTITY_NAME : [DEVICE_NAME, ENTITY_NAME]) : own ? DEVICE_NAME : PARENT_NAME;
      sections.set(title, [...(sections.get(title) ?? []), tile(entity.entity_id, { name })]);
    }
  }
  return [...sections].map(([name, cards]) => section([heading(name, "mdi:stethoscope"), ...cards]));
}

const HEALTH_TOTALS = new Set(["active_faults", "nodes_online"]);

/** Is everything there, does it talk, does it know the time. */
export function healthView(context: Context, sites: readonly Site[]): Config {
  const { hass, translate } = context;
  const sections = sites.flatMap((site) => {
    const nodes = nodesOf(site);
    const events = nodes.flatMap((node) => found(node, ["fault", "activity"]));
    const totals = shown(site.node).filter(
      (entity) => HEALTH_TOTALS.has(entity.translation_key ?? "") || entity.entity_category === "diagnostic",
    );
    return [
      section([
        ...problems(context, site, heading(translate("noProblems"), "mdi:check-circle-outline")).cards,
        heading(site.node.name, "mdi:transmission-tower"),
        ...totals.map((entity) => tile(entity.entity_id)),
        ...(events.length && hass.config.components.includes("logbook")
          ? [
              heading(translate("faultHistory"), "mdi:history"),
              {
                type: "logbook",
                target: { entity_id: events },
                hours_to_show: HOURS,
                grid_options: { columns: "full", rows: GRAPH_ROWS },
              },
            ]
          : []),
      ]),
      section([
        heading(translate("nodes"), "mdi:lan-connect", found(site.node, ["nodes_online"])),
        ...nodes.flatMap((node) =>
          found(node, ["online"]).map((entity) => tile(entity, { name: DEVICE_NAME, color: "green" })),
        ),
      ]),
      ...diagnoses(hass, nodes.slice(1)),
    ];
  });
  return view(translate("health"), "health", undefined, sections);
}

/** What stands there before there is anything to show. */
export function emptyView({ hass, translate }: Context, configured: boolean): Config {
  return {
    type: "sections",
    title: translate("title"),
    path: "overview",
    max_columns: 1,
    sections: [
      section([
        {
          type: "empty-state",
          icon: "mdi:transmission-tower",
          title: translate(configured ? "emptyTitle" : "absentTitle"),
          content: translate(configured ? "emptyText" : "absentText"),
          buttons: [
            {
              text: translate("openIntegration"),
              icon: "mdi:cog",
              tap_action: {
                action: "navigate",
                navigation_path: `/config/integrations/${configured || hass.config.components.includes("microgrid") ? "integration/microgrid" : "dashboard/add?domain=microgrid"}`,
              },
            },
          ],
        },
      ]),
    ],
  };
}
