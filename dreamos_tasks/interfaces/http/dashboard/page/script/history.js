// What happened to a task: its states one after another, and its attempts.
import { html, useSignal } from "./view.js";
import { Text } from "./harmless.js";
import { clock, duration } from "./times.js";
import { Icon } from "./icons.js";
import { stateWord } from "./words.js";

const FIRST = 12;

export function History({ of }) {
  const isWhole = useSignal(false);
  if (!of.length) return null;
  const latest = [...of].reverse();
  const shown = isWhole.value ? latest : latest.slice(0, FIRST);
  return html`<section class="panel"><header><h2>History</h2></header><ol class="body history">
    ${shown.map((change) => html`<li key=${`${change.at} ${change.after}`}><${Icon} of=${change.after} size=${14} />
      <div><p><strong>${stateWord(change.after)}</strong> <span class="dim">by <${Text} of=${change.by} /></span></p>${change.why && html`<p class="dim"><${Text} of=${change.why} /></p>`}</div>
      <time class="dim numbers" datetime=${change.at} title=${change.at}>${clock(change.at)}</time></li>`)}
    ${shown.length < latest.length && html`<li><button class="small plain" onClick=${() => { isWhole.value = true; }}>${latest.length - shown.length} more</button></li>`}
  </ol></section>`;
}

export function Attempts({ of }) {
  if (of.length < 2) return null;
  return html`<section class="panel"><header><h2>Attempts</h2></header><div class="body"><table class="table">
    <thead><tr><th>#</th><th>Agent</th><th>Began</th><th>Took</th><th>Outcome</th></tr></thead>
    <tbody>${[...of].reverse().map((attempt) => html`<tr key=${attempt.number}><td>${attempt.number}</td><td><${Text} of=${attempt.agent_id} /></td>
      <td class="numbers">${clock(attempt.started_at)}</td>
      <td class="numbers">${attempt.finished_at ? duration((Date.parse(attempt.finished_at) - Date.parse(attempt.started_at)) / 1000) : ""}</td>
      <td>${attempt.outcome ? html`<${Text} of=${attempt.outcome} />` : html`<span class="in_progress">under way</span>`}</td></tr>`)}</tbody>
  </table></div></section>`;
}
