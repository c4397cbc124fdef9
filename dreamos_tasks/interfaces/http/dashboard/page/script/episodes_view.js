// The episodes: work that several agents do together, newest first; or one of them.
import { html } from "./view.js";
import { get } from "./api.js";
import { completedOf, EpisodeBar, episodeHref, EpisodePill, stuckOn } from "./episode.js";
import { EpisodePage } from "./episode_page.js";
import { Text } from "./harmless.js";
import { useHeard } from "./heard.js";
import { ago, now } from "./times.js";
import { Trouble } from "./trouble.js";
import { count } from "./words.js";

const EVERY_MS = 5000;

export const EpisodesView = ({ id }) => (id ? html`<${EpisodePage} id=${id} />` : html`<${EpisodeList} />`);

function isAbout(message, episodes) {
  const { task_id: id, changes } = message.data ?? {};
  return changes?.tags?.includes("episode") || episodes.some((episode) => episode.state === "running" && episode.task_ids.includes(id));
}

function EpisodeList() {
  const { form, trouble } = useHeard(() => get("/episodes"), isAbout, EVERY_MS);
  const running = (form ?? []).filter((episode) => episode.state === "running").length;
  return html`<div class="page-head"><h1>Episodes</h1><p class="dim">${running} running</p></div>
    <div class="page" tabIndex="0"><div class="inner episodes">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      ${form?.map((episode) => html`<${EpisodeCard} key=${episode.episode_id} episode=${episode} />`)}
      ${form && !form.length && html`<p class="empty"><strong>There is no episode</strong><code>dt episode start FILE.yaml</code> puts the work of several agents on the board.</p>`}
    </div></div>`;
}

function EpisodeCard({ episode }) {
  const agents = [...new Set(episode.plan.assignments.map((one) => one.agent_id))];
  const stuck = episode.state === "running" ? stuckOn(episode) : [];
  const isRunning = episode.state === "running";
  return html`<article class="panel episode" data-episode=${episode.episode_id}>
    <div class="headline"><h2><a href=${episodeHref(episode.episode_id)}><${Text} of=${episode.plan.title} /></a></h2><${EpisodePill} state=${episode.state} /></div>
    ${isRunning || completedOf(episode) ? html`<${EpisodeBar} episode=${episode} />` : null}
    ${stuck.map(({ task, waiting }) => html`<p key=${task.task_id} class="failed"><${Text} of=${task.title} /> ${task.status}: ${count(waiting.length, "task")} cannot start</p>`)}
    <p class="dim numbers"><span class="mono">${episode.episode_id}</span> · <${Text} of=${agents.join(", ")} /> · ${isRunning ? `started ${ago(episode.started_at, now.value)}` : `ended ${ago(episode.ended_at, now.value)}`}${episode.reason && html` · <${Text} of=${episode.reason} />`}</p>
  </article>`;
}
