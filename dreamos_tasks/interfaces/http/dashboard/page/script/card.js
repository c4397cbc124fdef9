// A task as a card: it draws itself anew when its own row changes, and at no other time.
import { html } from "./view.js";
import { Text } from "./harmless.js";
import { now, secondsUntil, whole } from "./times.js";
import { rowOf } from "./rows.js";
import { taskHref } from "./route.js";
import { focusedId } from "./steering.js";
import { Icon } from "./icons.js";
import { FINAL, stateWord } from "./words.js";

export function Card({ id, isStop, drag }) {
  const row = rowOf(id)?.value;
  if (!row) return null;
  const note = noteOf(row);
  return html`<a class=${`card ${row.priority}`} href=${taskHref(id)} data-id=${id} draggable=${drag ? "true" : "false"}
    tabIndex=${isStop ? 0 : -1} onFocus=${() => { focusedId.value = id; }}
    onDragStart=${drag && ((event) => drag.begin(event, id))} onDragEnd=${drag && drag.end}>
    <span class=${`title ${note ? "one" : ""}`}><${Text} of=${row.title} /></span>
    ${note && html`<span class=${`note ${note.tone}`}><${Text} of=${note.words} /></span>`}
    <span class="meta numbers">
      <span class="id">${id}</span>
      <span class="tags">${row.tags?.map((tag) => html`<span class="tag" key=${tag}>${tag}</span>`)}</span>
      <${Holder} row=${row} />
    </span>
    <span class="visually-hidden">, ${row.priority}, ${stateWord(row.state)}</span>
    <${Progress} row=${row} />
  </a>`;
}

// The one thing that matters about it, beside its title.
function noteOf(row) {
  if (row.error && !["completed", "in_progress"].includes(row.state)) return { words: row.error.message, tone: row.state === "failed" ? "failed" : "dim" };
  if (row.is_pausing) return { words: "Pauses at the end of its step", tone: "paused" };
  if (row.state === "in_progress" && row.steps?.running.length) return { words: row.steps.running.join(", "), tone: "in_progress" };
  if (row.state === "in_progress" && row.progress?.note) return { words: row.progress.note, tone: "in_progress" };
  if (row.state === "blocked" && row.depends_on) return { words: `After ${row.depends_on.join(", ")}`, tone: "dim" };
  return null;
}

function Holder({ row }) {
  if (row.agent_id) {
    return html`<span class="who end" title=${`held by ${row.agent_id}`}><i aria-hidden="true">${row.agent_id[0]}</i><span>${row.agent_id}</span></span><${Since} at=${row.claimed_at} />`;
  }
  if (row.state === "scheduled" && row.not_before) return html`<span class="end"><${Until} at=${row.not_before} /></span>`;
  if (FINAL.has(row.state)) return html`<span class="end"><${Since} at=${row.finished_at} /></span>`;
  if (row.assigned_to) return html`<span class="who end" title=${`assigned to ${row.assigned_to}`}><i aria-hidden="true">${row.assigned_to[0]}</i><span>${row.assigned_to}</span></span>`;
  if (row.asks) return html`<span class="end awaiting_approval">asks you</span>`;
  return html`<span class="end"><${Since} at=${row.created_at} /></span>`;
}

const Since = ({ at }) => (at ? html`<span class="tick">${whole((now.value - Date.parse(at)) / 1000)}</span>` : null);
const Until = ({ at }) => html`<span class="tick">in ${whole(Math.max(0, secondsUntil(at)))}</span>`;

function Progress({ row }) {
  if (row.state !== "in_progress") return null;
  const share = row.steps?.all ? row.steps.done / row.steps.all : row.progress?.percent != null ? row.progress.percent / 100 : null;
  if (share === null) return null;
  return html`<span class="bar" aria-hidden="true"><i style=${{ transform: `scaleX(${share})` }}></i></span>`;
}

export const StatePill = ({ state }) => html`<span class=${`pill ${state}`}><${Icon} of=${state} size=${13} />${stateWord(state)}</span>`;
