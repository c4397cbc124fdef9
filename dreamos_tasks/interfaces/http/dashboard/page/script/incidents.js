// Incidents: what somebody should look into, until its cause is gone.
import { html } from "./view.js";
import { get, post } from "./api.js";
import { Text } from "./harmless.js";
import { ago, now } from "./times.js";
import { attempt } from "./notices.js";
import { usePolled } from "./polled.js";
import { taskHref } from "./route.js";
import { plain } from "./words.js";

const EVERY_MS = 5000, HOUR_SECONDS = 3600, MOST = 8;
const SHOWN = new Set(["open", "acknowledged", "snoozed"]);
const ORDER = ["critical", "high", "medium", "low"];

export function Incidents() {
  const { form, again } = usePolled(() => get("/incidents"), EVERY_MS);
  const shown = (form ?? []).filter((incident) => SHOWN.has(incident.state)).sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  if (!shown.length) return null;
  return html`<section class="panel"><header><h2>To be looked into</h2></header><ul class="body incidents">
    ${shown.slice(0, MOST).map((incident) => html`<${Incident} key=${incident.incident_id} incident=${incident} again=${again} />`)}
    ${shown.length > MOST && html`<li class="dim">and ${shown.length - MOST} more: <code>dt incidents</code> lists all</li>`}</ul></section>`;
}

function Incident({ incident, again }) {
  const id = incident.incident_id;
  const say = (verb, words, body) => attempt(() => post(`/incidents/${encodeURIComponent(id)}/${verb}`, body), `${id}: ${words}`).then(again);
  return html`<li class="incident"><div>
      <p><span class=${`pill ${incident.severity}`}>${plain(incident.severity)}</span> <strong><${Text} of=${incident.text} /></strong></p>
      <p class="dim">${plain(incident.kind)} since ${ago(incident.opened_at, now.value)}${incident.state !== "open" && ` · ${incident.state}`}${incident.task_id && html` · <a class="mono" href=${taskHref(incident.task_id)}>${incident.task_id}</a>`}</p></div>
    <div class="buttons">
      ${incident.state === "open" && html`<button class="small" onClick=${() => say("acknowledge", "somebody looks into it")}>Look into it</button>`}
      ${incident.state !== "snoozed" && html`<button class="small" onClick=${() => say("snooze", "quiet for an hour", { for_seconds: HOUR_SECONDS })}>Quiet for 1 h</button>`}
      <button class="small" onClick=${() => say("close", "closed")}>Close</button>
    </div></li>`;
}
