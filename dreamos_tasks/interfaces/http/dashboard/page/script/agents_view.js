// The agents: who holds what since when, who was heard of last when, and who may not claim.
import { html } from "./view.js";
import { get } from "./api.js";
import { Text } from "./harmless.js";
import { ago, countdown, now, whole } from "./times.js";
import { usePolled } from "./polled.js";
import { idsOf, rowOf, states } from "./rows.js";
import { taskHref } from "./route.js";
import { Trouble } from "./trouble.js";
import { count } from "./words.js";

const EVERY_MS = 5000;

export function AgentsView() {
  const { form, trouble } = usePolled(() => get("/agents"), EVERY_MS);
  const registered = form?.agents ?? form ?? [];
  const held = heldByAgent();
  const names = [...new Set([...registered.map((agent) => agent.agent_id), ...held.keys()])].sort((a, b) => (held.get(b)?.length ?? 0) - (held.get(a)?.length ?? 0) || a.localeCompare(b));
  return html`<div class="page-head"><h1>Agents</h1><p class="dim">${count(held.size, "agent")} at work</p></div>
    <div class="page" tabIndex="0"><div class="inner agents">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      ${names.map((name) => html`<${AgentCard} key=${name} name=${name} agent=${registered.find((one) => one.agent_id === name)} rows=${held.get(name) ?? []} />`)}
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

function AgentCard({ name, agent, rows }) {
  const heard = [agent?.last_heartbeat_at, ...rows.map((row) => row.heartbeat_at)].filter(Boolean).sort().at(-1);
  return html`<section class="panel agent" aria-label=${name}>
    <header><span class="who"><i aria-hidden="true">${name[0]}</i></span><h2><${Text} of=${name} /></h2>
      ${agent?.pause && html`<span class="pill paused">Paused by <${Text} of=${agent.pause.by} /></span>`}
      ${agent?.silent_since && html`<span class="pill stalled">Silent since ${ago(agent.silent_since, now.value)}</span>`}
      <span class="dim numbers">${heard ? `heard of ${ago(heard, now.value)}` : ""}</span></header>
    <div class="body">
      ${agent && html`<p class="dim">${[agent.kind, agent.max_in_progress && `at most ${count(agent.max_in_progress, "task")}`, agent.capabilities?.length && `offers ${agent.capabilities.join(", ")}`, agent.pause?.reason].filter(Boolean).join(" · ")}</p>`}
      ${rows.length ? html`<ul class="held">${rows.map((row) => html`<li key=${row.task_id}><a href=${taskHref(row.task_id)}><span class="mono dim">${row.task_id}</span> <${Text} of=${row.title} /></a>
        <span class="dim numbers">for ${whole((now.value - Date.parse(row.claimed_at)) / 1000)}, lease ${countdown(row.lease_until)}</span></li>`)}</ul>` : html`<p class="dim">Holds nothing</p>`}
    </div></section>`;
}
