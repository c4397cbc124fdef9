// The agents: who holds what since when, who was heard of last when, and who may not claim.
import { html } from "./view.js";
import { get, post } from "./api.js";
import { Text } from "./harmless.js";
import { ago, countdown, now, whole } from "./times.js";
import { attempt } from "./notices.js";
import { usePolled } from "./polled.js";
import { idsOf, rowOf, states } from "./rows.js";
import { taskHref } from "./route.js";
import { Trouble } from "./trouble.js";
import { count, plain } from "./words.js";

const EVERY_MS = 5000;
const TONES = { paused: "paused", silent: "stalled", working: "in_progress", idle: "cancelled" };

export function AgentsView() {
  const { form, trouble, again } = usePolled(() => get("/agents"), EVERY_MS);
  const known = new Map((form ?? []).map((agent) => [agent.agent_id, agent]));
  const held = heldByAgent();
  const load = (name) => held.get(name)?.length ?? 0;
  const names = [...new Set([...known.keys(), ...held.keys()])].sort((a, b) => load(b) - load(a) || a.localeCompare(b));
  return html`<div class="page-head"><h1>Agents</h1><p class="dim">${count(held.size, "agent")} at work</p></div>
    <div class="page" tabIndex="0"><div class="inner agents">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      ${names.map((name) => html`<${AgentCard} key=${name} name=${name} agent=${known.get(name)} rows=${held.get(name) ?? []} again=${again} />`)}
      ${!names.length && form && html`<p class="empty"><strong>No agent holds a task</strong><code>dt next --agent ada</code> claims the next one that is ready.</p>`}
    </div></div>`;
}

function heldByAgent() {
  void states.in_progress.version.value;
  const held = new Map();
  for (const id of idsOf("in_progress")) {
    const row = rowOf(id).value;
    held.set(row.agent_id, [...(held.get(row.agent_id) ?? []), row]);
  }
  return held;
}

function AgentCard({ name, agent, rows, again }) {
  const heard = [agent?.last_heard_at, ...rows.map((row) => row.heartbeat_at)].filter(Boolean).sort().at(-1);
  const state = agent?.state ?? "working";
  const about = [agent?.kind, agent?.max_in_progress && `at most ${count(agent.max_in_progress, "task")}`, agent?.capabilities?.length && `offers ${agent.capabilities.join(", ")}`, agent?.note];
  return html`<section class="panel agent" aria-label=${name}>
    <header><span class="who"><i aria-hidden="true">${name[0]}</i></span><h2><${Text} of=${name} /></h2>
      <span class=${`pill ${TONES[state]}`}>${plain(state)}</span>
      ${agent?.registered && html`<${Steer} name=${name} isPaused=${Boolean(agent.paused)} again=${again} />`}</header>
    <div class="body">
      ${about.some(Boolean) && html`<p class="dim"><${Text} of=${about.filter(Boolean).join(" · ")} /></p>`}
      ${agent?.paused && html`<p class="paused">Claims nothing: paused by <${Text} of=${agent.paused.by} />${agent.paused.reason && html` (<${Text} of=${agent.paused.reason} />)`}</p>`}
      ${rows.length ? html`<ul class="held">${rows.map((row) => html`<li key=${row.task_id}><a href=${taskHref(row.task_id)}><span class="mono dim">${row.task_id}</span> <${Text} of=${row.title} /></a>
        <span class="dim numbers">for ${whole((now.value - Date.parse(row.claimed_at)) / 1000)}, lease ${countdown(row.lease_until)}</span></li>`)}</ul>` : html`<p class="dim">Holds nothing</p>`}
      ${heard && html`<p class="dim numbers heard">Heard of ${ago(heard, now.value)}</p>`}
    </div></section>`;
}

function Steer({ name, isPaused, again }) {
  const verb = isPaused ? "resume" : "pause";
  const press = () => attempt(() => post(`/agents/${encodeURIComponent(name)}/${verb}`), isPaused ? `${name} may claim again` : `${name} claims nothing more`).then(again);
  return html`<button class="small" onClick=${press}>${plain(verb)}</button>`;
}
