// The facts of a task: who holds it and for how long, why it waits, when it will be done, where it belongs.
import { html } from "./view.js";
import { Text } from "./harmless.js";
import { ago, clock, countdown, duration, now, range, secondsUntil } from "./times.js";
import { taskHref } from "./route.js";
import { rowOf } from "./rows.js";
import { StatePill } from "./card.js";

const Fact = ({ label, children }) => html`<div><dt>${label}</dt><dd>${children}</dd></div>`;
const When = ({ at }) => html`<time datetime=${at} title=${at}>${clock(at)} <span class="dim">(${ago(at, now.value)})</span></time>`;

export function Facts({ task, state, eta }) {
  const took = task.finished_at && task.started_at ? (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000 : null;
  return html`<section class="panel"><header><h2>Facts</h2></header><dl class="facts body numbers">
    ${task.waiting_for?.length > 0 && html`<${Fact} label="Waits because">${task.waiting_for.map((reason) => html`<p key=${reason}><${Text} of=${reason} /></p>`)}<//>`}
    ${task.claim && html`<${Claim} claim=${task.claim} />`}
    ${task.pause && html`<${Fact} label="Paused by"><${Text} of=${task.pause.by} />${task.pause.reason && html`: <${Text} of=${task.pause.reason} />`}${task.pause.until && html` until <${When} at=${task.pause.until} />`}<//>`}
    ${eta?.remaining && html`<${Fact} label="Still takes">${range(eta.remaining)} <span class="dim">${eta.remaining.samples ? "8 times of 10" : "a guess: some of its steps never ran before"}</span><//>`}
    ${eta?.until_start && html`<${Fact} label="Begins in">${range(eta.until_start)}<//>`}
    ${took !== null && html`<${Fact} label=${task.attempt > 1 ? "Took in all" : "Took"}>${duration(took)}<//>`}
    ${task.progress && !task.plan?.steps.length && html`<${Fact} label="Says">${task.progress.percent != null && `${task.progress.percent} % `}<${Text} of=${task.progress.note || ""} /><//>`}
    ${task.assigned_to && html`<${Fact} label="Only for"><${Text} of=${task.assigned_to} /><//>`}
    ${task.requires.length > 0 && html`<${Fact} label="Requires">${task.requires.join(", ")}<//>`}
    ${task.depends_on.length > 0 && html`<${Fact} label="After">${task.depends_on.map((id) => html`<${Link} key=${id} id=${id} />`)}<//>`}
    ${task.parent_id && html`<${Fact} label="Part of"><${Link} id=${task.parent_id} /><//>`}
    ${task.concurrency_key && html`<${Fact} label="One at a time"><${Text} of=${task.concurrency_key} /><//>`}
    ${task.not_before && state === "scheduled" && html`<${Fact} label="Not before"><${When} at=${task.not_before} /><//>`}
    ${task.due_at && html`<${Fact} label="Due"><${When} at=${task.due_at} /><//>`}
    ${task.attempt > 0 && html`<${Fact} label="Attempts">${task.attempt}${task.failures > 0 && `, ${task.failures} failed`}${task.deferrals > 0 && `, ${task.deferrals} put off`}<//>`}
    <${Fact} label="Added"><${When} at=${task.created_at} /> by <${Text} of=${task.created_by} /><//>
    ${task.finished_at && html`<${Fact} label="Ended"><${When} at=${task.finished_at} /><//>`}
    ${task.context?.cwd && html`<${Fact} label="Folder"><code><${Text} of=${task.context.cwd} /></code><//>`}
  </dl></section>`;
}

function Claim({ claim }) {
  const left = secondsUntil(claim.lease_until, now.value);
  return html`<${Fact} label="Held by"><strong><${Text} of=${claim.agent_id} /></strong> <span class="dim">since ${clock(claim.claimed_at)}, token ${claim.token}</span><//>
    <${Fact} label="Lease"><span class=${left < 60 ? "stalled" : ""}>${left > 0 ? `${countdown(claim.lease_until)} left` : "has run out"}</span>
      <span class="dim"> heartbeat ${ago(claim.heartbeat_at, now.value)}</span><//>`;
}

function Link({ id }) {
  const row = rowOf(id)?.value;
  return html`<a class="linked" href=${taskHref(id)}>${row && html`<${StatePill} state=${row.state} />`}<span class="mono">${id}</span> ${row && html`<${Text} of=${row.title} />`}</a>`;
}
