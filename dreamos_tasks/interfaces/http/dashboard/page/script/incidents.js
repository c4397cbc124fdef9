// What somebody should look into, in a few lines; what can be said to it is in its own view.
import { html } from "./view.js";
import { Text } from "./harmless.js";
import { incidents } from "./incident_watch.js";
import { ago, now } from "./times.js";
import { count, plain } from "./words.js";

const MOST = 8;

export function Incidents() {
  const shown = (incidents.value ?? []).filter((incident) => incident.state !== "closed");
  if (!shown.length) return null;
  return html`<section class="panel"><header><h2>To be looked into</h2><a class="button small" href="#/incidents">Look at ${count(shown.length, "incident")}</a></header><ul class="body incidents">
    ${shown.slice(0, MOST).map((incident) => html`<li key=${incident.incident_id} class="incident"><span class=${`pill ${incident.severity}`}>${plain(incident.severity)}</span>
      <span class="text"><${Text} of=${incident.text} /></span><span class="dim numbers">${incident.state === "open" ? `opened ${ago(incident.opened_at, now.value)}` : incident.state}</span></li>`)}
    ${shown.length > MOST && html`<li class="dim">and ${shown.length - MOST} more</li>`}</ul></section>`;
}
