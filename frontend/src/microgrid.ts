// The entry of the bundle: makes the dashboard strategy and the cards known to Home Assistant.

import { PlanCard } from "./plan-card";
import { DashboardStrategy } from "./strategy";
import { translator } from "./strings";
import { SwarmCard } from "./swarm-card";

interface Offers {
  customStrategies?: object[];
  customCards?: object[];
}

/** An old copy may still be in the page after an update: the first one wins until the page is loaded again. */
function define(name: string, element: CustomElementConstructor, offer: (window: Offers) => void): void {
  if (customElements.get(name)) return;
  customElements.define(name, element);
  offer(window as Offers);
}

// Home Assistant's program replaces the registry of elements while it loads; what was defined before is lost to it.
await customElements.whenDefined("home-assistant");

const translate = translator(navigator.language);

define("microgrid-swarm-card", SwarmCard, (window) => {
  (window.customCards ??= []).push({
    type: "microgrid-swarm-card",
    name: translate("title"),
    description: translate("description"),
  });
});

define("microgrid-plan-card", PlanCard, (window) => {
  (window.customCards ??= []).push({
    type: "microgrid-plan-card",
    name: translate("planTitle"),
    description: translate("planDescription"),
  });
});

define("ll-strategy-dashboard-microgrid", DashboardStrategy, (window) => {
  (window.customStrategies ??= []).push({
    type: "microgrid",
    strategyType: "dashboard",
    name: translate("title"),
    description: translate("description"),
  });
});
