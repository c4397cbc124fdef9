// Which tasks are shown: by text, tag, agent and priority. The filters are in the address, so that they can be linked to.
import { computed, html, useEffect, useRef } from "./view.js";
import { route, setQuery } from "./route.js";
import { idsOf, rowOf, STATES, states } from "./rows.js";
import { PRIORITIES, plain } from "./words.js";
import { bind } from "./keys.js";

const MOST_CHOICES = 200;

export const filter = computed(() => {
  const query = route.value.query;
  const [text, tag, agent, priority] = ["text", "tag", "agent", "priority"].map((name) => query.get(name) || "");
  return { text, tag, agent, priority, needle: text.trim().toLowerCase(), isSet: Boolean(text.trim() || tag || agent || priority) };
});

export function fits(row, { needle, tag, agent, priority }) {
  if (priority && row.priority !== priority) return false;
  if (tag && !row.tags?.includes(tag)) return false;
  if (agent && row.agent_id !== agent && row.assigned_to !== agent) return false;
  return !needle || row.title.toLowerCase().includes(needle) || row.task_id.toLowerCase().includes(needle);
}

// What can be chosen: the tags and agents that tasks have.
const choices = computed(() => {
  const [tags, agents] = [new Set(), new Set()];
  for (const state of STATES) {
    void states[state].version.value;
    for (const id of idsOf(state)) {
      const row = rowOf(id).peek();
      row.tags?.forEach((tag) => tags.add(tag));
      if (row.agent_id) agents.add(row.agent_id);
      if (row.assigned_to) agents.add(row.assigned_to);
    }
  }
  return { tags: [...tags].sort().slice(0, MOST_CHOICES), agents: [...agents].sort().slice(0, MOST_CHOICES) };
});

function Choice({ name, label, values, words = (value) => value }) {
  const chosen = filter.value[name];
  const offered = chosen && !values.includes(chosen) ? [chosen, ...values] : values;
  return html`<select aria-label=${label} class=${chosen ? "set" : ""} value=${chosen}
    onChange=${(event) => setQuery({ [name]: event.target.value })}>
    <option value="">${label}: any</option>
    ${offered.map((value) => html`<option key=${value} value=${value}>${words(value)}</option>`)}
  </select>`;
}

export function Filters() {
  const field = useRef(null);
  useEffect(() => bind("/", "search the tasks", () => field.current?.focus(), "Board"), []);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <input ref=${field} type="search" placeholder="Search title or id   /" aria-label="Search title or id" value=${filter.value.text}
      onInput=${(event) => setQuery({ text: event.target.value })} />
    <${Choice} name="tag" label="Tag" values=${choices.value.tags} />
    <${Choice} name="agent" label="Agent" values=${choices.value.agents} />
    <${Choice} name="priority" label="Priority" values=${PRIORITIES} words=${plain} />
    ${filter.value.isSet && html`<button type="button" class="plain small" onClick=${() => setQuery({ text: "", tag: "", agent: "", priority: "" })}>Clear</button>`}
  </form>`;
}
