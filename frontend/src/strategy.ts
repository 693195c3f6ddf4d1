// The dashboard strategy `custom:microgrid`: pages from what is in the registries, never from names of entities.

import type { Config, Hass } from "./hass";
import { translator } from "./strings";
import { nodesOf, readSites, type Site } from "./swarm";
import { clusterView, devicesView, emptyView, energyView, healthView, otherHousesView, overview, type Context } from "./views";

/** `Cluster A` → `cluster-a`, made unique among the paths that are taken. */
export function pathOf(name: string, taken: Set<string>): string {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const letters = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  // Home Assistant takes a path that is a number for the place of a page: `Район 2` would open the third one.
  const slug = Number.isNaN(Number(letters)) ? letters : ["cluster", letters].filter(Boolean).join("-");
  let path = slug;
  for (let number = 2; taken.has(path); number++) path = `${slug}-${number}`;
  taken.add(path);
  return path;
}

const populated = (site: Site): boolean => nodesOf(site).length > 1 || site.node.parts.length > 0;

export function generateDashboard(config: Config, hass: Hass): Config {
  const context: Context = { hass, translate: translator(hass.language) };
  const wanted = config["site"];
  const sites = readSites(hass).filter((site) => wanted === undefined || site.node.deviceId === wanted);
  const live = sites.filter(populated);
  const title = live.length === 1 ? live[0]?.node.name : context.translate("title");
  if (!live.length) return { title, views: [emptyView(context, sites.length > 0)] };

  const taken = new Set(["overview", "energy", "devices", "health"]);
  const clusters = live.flatMap((site) => site.clusters);
  const houses = live.flatMap((site) => site.houses);
  const devices = devicesView(context, live);
  const energy = energyView(context, live);
  return {
    title,
    views: [
      overview(context, live),
      ...(energy ? [energy] : []),
      ...clusters.map((cluster) => clusterView(context, cluster, pathOf(cluster.gateway.name, taken))),
      ...(houses.length ? [otherHousesView(context, houses, pathOf(context.translate("houses"), taken))] : []),
      ...(devices ? [devices] : []),
      healthView(context, live),
    ],
  };
}

export class DashboardStrategy extends HTMLElement {
  /** The pages are made anew when one of these registries changes. */
  static registryDependencies = ["entities", "devices"];

  static async generate(config: Config, hass: Hass): Promise<Config> {
    return generateDashboard(config, hass);
  }

  static getCreateSuggestions(hass: Hass): Config {
    return { title: translator(hass.language)("title"), icon: "mdi:transmission-tower" };
  }
}
