// One episode: who does what and how far, what everything waits for, what it is for, and when it is done.
import { html, useEffect } from "./view.js";
import { get } from "./api.js";
import { StatePill } from "./card.js";
import { askToStop, EpisodeBar, EpisodePill, OVER, stateOf, stuckOn } from "./episode.js";
import { Block, Text } from "./harmless.js";
import { useHeard } from "./heard.js";
import { Icon } from "./icons.js";
import { bindAll } from "./keys.js";
import { taskHref } from "./route.js";
import { say } from "./steering.js";
import { ago, clock, duration, now } from "./times.js";
import { Trouble } from "./trouble.js";
import { count } from "./words.js";

const EVERY_MS = 5000;
const isAbout = (message, episode) => episode.task_ids.includes(message.data?.task_id);

export function EpisodePage({ id }) {
  const { form: episode, trouble, again } = useHeard(() => get(`/episodes/${encodeURIComponent(id)}`), isAbout, EVERY_MS, id);
  const stop = () => { if (episode?.state === "running") askToStop(episode, again); };
  useEffect(() => bindAll("Episode", { x: ["stop it", stop], Escape: ["back to the episodes", () => { location.hash = "#/episodes"; }] }), [episode]);
  return html`<div class="page-head task-head">
      <a class="button plain small" href="#/episodes" aria-label="Back to the episodes"><${Icon} of="back" /></a>
      <div class="named"><h1>${episode ? html`<${Text} of=${episode.plan.title} />` : id}</h1>
        <p class="dim"><span class="mono">${id}</span>${episode?.plan.theme && html` · <${Text} of=${episode.plan.theme} />`}</p></div>
      ${episode && html`<${EpisodePill} state=${episode.state} />`}
      ${episode?.state === "running" && html`<button class="danger" onClick=${stop}>Stop episode</button>`}</div>
    <div class="page" tabIndex="0">${trouble && html`<${Trouble} error=${trouble} />`}
      ${episode && html`<div class="task"><div class="story">
        ${episode.state === "running" && stuckOn(episode).map((one) => html`<${Stuck} key=${one.task.task_id} ...${one} again=${again} />`)}
        <${Assignments} episode=${episode} />
      </div><aside class="sides"><${Purpose} plan=${episode.plan} /><${Course} episode=${episode} /></aside></div>`}
    </div>`;
}

function Stuck({ task, waiting, again }) {
  return html`<div class="trouble-box stuck" role="alert"><div>
      <p><strong><a href=${taskHref(task.task_id)}><${Text} of=${task.title} /></a> ${task.status === "failed" ? "has failed" : "was cancelled"}${waiting.length === 1 ? ", and a task waits for it" : `, and ${count(waiting.length, "task")} wait for it`}</strong></p>
      ${task.error && html`<p><${Text} of=${task.error.message} /></p>`}</div>
    ${task.status === "failed" && html`<button onClick=${() => say("retry", task.task_id).then(again)}>Retry</button>`}</div>`;
}

// By agent, in the order in which they were written; last what says whether all of it is done.
function Assignments({ episode }) {
  const groups = byAgent(episode);
  return html`<section class="panel assignments"><header><h2>Assignments</h2><${EpisodeBar} episode=${episode} /></header>
    ${[...groups].map(([agent, tasks]) => html`<section key=${agent} aria-label=${agent || "Definition of done"}>
      <h3 class="who">${agent && html`<i aria-hidden="true">${agent[0]}</i>`}<span>${agent ? html`<${Text} of=${agent} />` : "Definition of done"}</span></h3>
      <ul>${tasks.map((task) => html`<${AssignedTask} key=${task.task_id} task=${task} />`)}</ul></section>`)}
  </section>`;
}

function AssignedTask({ task }) {
  const state = stateOf(task);
  const claim = task.claim;
  const took = task.finished_at && task.started_at ? (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000 : null;
  return html`<li data-task=${task.task_id} data-state=${state}><div class="what">
      <p><a href=${taskHref(task.task_id)}><${Text} of=${task.title} /></a> <span class="mono dim">${task.task_id}</span></p>
      ${task.error && state === "failed" && html`<p class="failed"><${Text} of=${task.error.message} /></p>`}
      ${task.progress && !OVER.has(state) && html`<p class="in_progress">${task.progress.percent != null && `${task.progress.percent} % `}<${Text} of=${task.progress.note ?? ""} /></p>`}
      ${state === "blocked" && task.waiting_for.map((reason) => html`<p key=${reason} class="dim"><${Text} of=${reason} /></p>`)}</div>
    <span class="dim numbers">${claim && state === "in_progress" ? html`<${Text} of=${claim.agent_id} />, since ${clock(claim.claimed_at)}` : took !== null && duration(took)}</span>
    <${StatePill} state=${state} /></li>`;
}

function Purpose({ plan }) {
  const lists = [["Core objectives", plan.core_objectives, false], ["Definition of done", plan.definition_of_done, false], ["Checked by", plan.checks, true]].filter(([, lines]) => lines.length);
  if (!plan.north_star && !lists.length) return null;
  return html`<section class="panel"><header><h2>What it is for</h2></header><div class="body purpose">
    ${plan.north_star && html`<div><h3>North star</h3><p class="description"><${Block} of=${plan.north_star} /></p></div>`}
    ${lists.map(([head, lines, isCode]) => html`<div key=${head}><h3>${head}</h3><ul>${lines.map((line) => html`<li key=${line}>${isCode ? html`<code><${Text} of=${line} /></code>` : html`<${Text} of=${line} />`}</li>`)}</ul></div>`)}
  </div></section>`;
}

function Course({ episode }) {
  return html`<section class="panel"><header><h2>Facts</h2></header><dl class="facts body numbers">
    <div><dt>Started</dt><dd>${clock(episode.started_at)} <span class="dim">(${ago(episode.started_at, now.value)})</span> by <${Text} of=${episode.started_by} /></dd></div>
    ${episode.ended_at && html`<div><dt>Ended</dt><dd>${clock(episode.ended_at)} <span class="dim">(${ago(episode.ended_at, now.value)})</span> by <${Text} of=${episode.ended_by} /></dd></div>
      <div><dt>Took</dt><dd>${duration((Date.parse(episode.ended_at) - Date.parse(episode.started_at)) / 1000)}</dd></div>`}
    ${episode.reason && html`<div><dt>Because</dt><dd><${Text} of=${episode.reason} /></dd></div>`}
    ${episode.completion_log && html`<div><dt>Its log</dt><dd><code><${Text} of=${episode.completion_log} /></code></dd></div>`}
  </dl></section>`;
}

function byAgent({ plan, tasks }) {
  const agentOf = new Map(plan.assignments.map((one) => [one.task_id, one.agent_id]));
  const groups = new Map();
  for (const task of tasks) {
    const agent = agentOf.get(task.task_id) ?? "";
    groups.set(agent, [...(groups.get(agent) ?? []), task]);
  }
  return groups;
}
