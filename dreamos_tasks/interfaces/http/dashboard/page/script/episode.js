// An episode as views speak of it: how far it is, in which state a task of it is, what has failed and what waits for that.
import { html } from "./view.js";
import { post } from "./api.js";
import { attempt } from "./notices.js";
import { Icon } from "./icons.js";
import { asking } from "./steering.js";
import { count, stateWord } from "./words.js";

const TONES = { running: "running", completed: "completed", failed: "failed", stopped: "cancelled" };
const LOST = new Set(["failed", "cancelled"]);
export const OVER = new Set(["completed", ...LOST]);
export const episodeHref = (id) => `#/episodes/${encodeURIComponent(id)}`;
export const stateOf = (task) => (task.status === "pending" && task.waiting_for.length ? "blocked" : task.status === "pending" ? "ready" : task.status);
export const completedOf = (episode) => episode.tasks.filter((task) => task.status === "completed").length;

// How much of a task is done, from 0 to 1.
function shareOf(task) {
  if (task.status === "completed") return 1;
  if (task.plan?.steps.length) return task.steps.filter((step) => step.status === "completed").length / task.plan.steps.length;
  return (task.progress?.percent ?? 0) / 100;
}

// What ended otherwise than it should, each with all that can no longer start because of it.
export function stuckOn(episode) {
  const after = (ids) => episode.tasks.filter((task) => !OVER.has(task.status) && task.depends_on.some((id) => ids.has(id)));
  return episode.tasks.filter((task) => LOST.has(task.status)).map((task) => {
    const reached = new Set([task.task_id]);
    for (let found = after(reached); found.some((one) => !reached.has(one.task_id)); found = after(reached)) found.forEach((one) => reached.add(one.task_id));
    return { task, waiting: [...reached].slice(1) };
  }).filter(({ waiting }) => waiting.length);
}

export const EpisodePill = ({ state }) => html`<span class=${`pill ${TONES[state]}`}><${Icon} of=${TONES[state]} size=${13} />${state === "stopped" ? "Stopped" : stateWord(state)}</span>`;

export function EpisodeBar({ episode }) {
  const share = episode.tasks.length ? episode.tasks.reduce((sum, task) => sum + shareOf(task), 0) / episode.tasks.length : 0;
  const words = `${completedOf(episode)} of ${count(episode.tasks.length, "task")} completed`;
  return html`<div class="episode-bar"><span class="bar" role="progressbar" aria-label="How much is done" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(share * 100)} aria-valuetext=${words}>
    <i style=${{ transform: `scaleX(${share})` }}></i></span><span class="dim numbers">${words}</span></div>`;
}

export function askToStop(episode, again) {
  const left = episode.tasks.filter((task) => !OVER.has(task.status)).length;
  const act = () => attempt(() => post(`/episodes/${encodeURIComponent(episode.episode_id)}/stop`), `${episode.episode_id} is stopped`).then(again);
  asking.value = { words: `Stop ${episode.plan.title}? ${count(left, "task")} that ${left === 1 ? "is" : "are"} not over will be cancelled for good.`, label: "Stop episode", act };
}
