// The incidents: what somebody should look into, how severe it is, since when, and what was said to it.
import { html } from "./view.js";
import { post } from "./api.js";
import { Text } from "./harmless.js";
import { incidents, incidentTrouble, readIncidents, unheeded } from "./incident_watch.js";
import { ago, clock, now } from "./times.js";
import { doForAll } from "./many.js";
import { attempt } from "./notices.js";
import { taskHref } from "./route.js";
import { asking } from "./steering.js";
import { Trouble } from "./trouble.js";
import { count, plain } from "./words.js";

const HOUR_SECONDS = 3600;
const ORDER = ["open", "acknowledged", "snoozed", "closed"];
const TONES = { open: "failed", acknowledged: "in_progress", snoozed: "paused", closed: "cancelled" };
const WORDS = { open: "Nobody has acknowledged it" };

export function IncidentsView() {
  const found = incidents.value ?? [];
  const open = found.filter((incident) => incident.state === "open").map((incident) => incident.incident_id);
  const acknowledgeAll = () => { asking.value = { words: `Acknowledge ${count(open.length, "incident")}? Nobody is told of them again.`, label: "Acknowledge them", act: () => acknowledge(open) }; };
  return html`<div class="page-head"><h1>Incidents</h1><p class="dim">${unheeded.value ? `${unheeded.value} of ${found.length} not acknowledged` : incidents.value && "Nothing waits for a word"}</p>
      ${open.length > 1 && html`<button onClick=${acknowledgeAll}>Acknowledge all ${open.length.toLocaleString()}</button>`}</div>
    <div class="page" tabIndex="0"><div class="inner matters">
      ${incidentTrouble.value && html`<${Trouble} error=${incidentTrouble.value} />`}
      ${ORDER.flatMap((state) => found.filter((incident) => incident.state === state)).map((incident) => html`<${Matter} key=${incident.incident_id} incident=${incident} />`)}
      ${incidents.value && !found.length && html`<p class="empty"><strong>Nothing is wrong</strong>Tasks that stall or are past their due date, and agents that fall silent, appear here.</p>`}
    </div></div>`;
}

const acknowledge = (ids) => doForAll(ids, (id) => post(`/incidents/${encodeURIComponent(id)}/acknowledge`), (done) => `${count(done, "incident")} acknowledged`).then(readIncidents);

function Matter({ incident }) {
  const { incident_id: id, state } = incident;
  return html`<article class=${`panel matter ${incident.severity} ${state === "closed" ? "closed" : ""}`} data-incident=${id}>
    <div class="what">
      <p><span class=${`pill ${incident.severity}`}>${plain(incident.severity)}</span> <span class=${`pill ${TONES[state]}`}>${WORDS[state] ?? plain(state)}</span></p>
      <h2><${Text} of=${incident.text} /></h2>
      <p class="dim numbers"><span class="mono">${id}</span> · ${plain(incident.kind)} · since ${clock(incident.opened_at)} (${ago(incident.opened_at, now.value)})
        ${incident.task_id && html` · <a href=${taskHref(incident.task_id)}>task <span class="mono">${incident.task_id}</span></a>`}
        ${incident.agent_id && html` · agent <${Text} of=${incident.agent_id} />`}
        ${state === "snoozed" && incident.snoozed_until && ` · quiet until ${clock(incident.snoozed_until)}`}</p>
      ${incident.telling_error && html`<p class="failed">Telling people failed: <${Text} of=${incident.telling_error} /></p>`}
      ${incident.log.length > 1 && html`<${Course} log=${incident.log} />`}
    </div>
    <${Words} id=${id} state=${state} />
  </article>`;
}

function Words({ id, state }) {
  const say = (verb, words, body) => attempt(() => post(`/incidents/${encodeURIComponent(id)}/${verb}`, body), `${id}: ${words}`).then(readIncidents);
  if (state === "closed") return null;
  return html`<div class="buttons" role="group" aria-label=${`What to say to ${id}`}>
    ${state !== "acknowledged" && html`<button class=${state === "open" ? "primary" : ""} onClick=${() => say("acknowledge", "acknowledged")}>Acknowledge</button>`}
    ${[1, 8].map((hours) => html`<button key=${hours} onClick=${() => say("snooze", `quiet for ${hours} h`, { for_seconds: hours * HOUR_SECONDS })}>Snooze ${hours} h</button>`)}
    <button onClick=${() => say("close", "closed for as long as its cause lasts")}>Close</button></div>`;
}

const Course = ({ log }) => html`<details><summary>What was said and done</summary><ol class="history">
  ${[...log].reverse().map((note, index) => html`<li key=${log.length - index}><span></span><p><strong>${plain(note.what)}</strong> <span class="dim">by <${Text} of=${note.by} />${note.why && html`: <${Text} of=${note.why} />`}</span></p>
    <time class="dim numbers" datetime=${note.at}>${clock(note.at)}</time></li>`)}</ol></details>`;
