// The board's rows: one signal a task, so that a change redraws that task and nothing else; and which state has which tasks.
import { get } from "./api.js";
import { batch, computed, signal } from "./view.js";
import { setClock } from "./times.js";
import { follow, onMessage } from "./live.js";
import { tellTrouble } from "./notices.js";

export const STATES = ["scheduled", "blocked", "ready", "stalled", "in_progress", "awaiting_approval", "paused", "failed", "completed", "cancelled"];
const FIRST_PAGE = 60, PAGE = 1000, MOST_ROWS = 20_000, OVER_PAGES = 1;
const GATHER_MS = 120, AT_ONCE_MS = 4; // what happens soon after a question is gathered for the next one
const MOST_IDS = 150;

const rows = new Map(); // id -> signal of its row
const members = new Map(STATES.map((state) => [state, new Set()]));
// `version` grows with each change of a state's tasks; `next` is where its next page begins; `count` what the board counted.
export const states = Object.fromEntries(STATES.map((state) => [state, { version: signal(0), next: signal(null), count: signal(0), coming: null }]));
export const isLoaded = signal(false);
export const requests = signal(0); // grows when people are asked something, or have answered
const dirty = new Set();
let askedAt = 0, timer = 0, isAsking = false, order = 0, seen = null;

export const isEmpty = computed(() => STATES.every((state) => { void states[state].version.value; return !members.get(state).size; }));
export const rowOf = (id) => rows.get(id);
export const idsOf = (state) => members.get(state);

// The first tasks of every state, at once. Gives the seq of the event behind which to follow.
async function load() {
  const form = await get("/board", { limit: FIRST_PAGE });
  batch(() => {
    setClock(form.now);
    for (const state of STATES) {
      form.columns[state].rows.forEach(put);
      states[state].next.value = form.columns[state].next;
      if (form.counts[state] !== undefined) states[state].count.value = form.counts[state];
    }
    isLoaded.value = true;
    requests.value += 1;
  });
  return form.seq;
}

export async function start() {
  const seq = await load();
  onMessage(hear);
  follow(seq);
  await loadRest();
}

// Too much was missed to be told one by one: everything is read anew, and what did not come is asked for.
async function resync() {
  const unseen = new Set(rows.keys());
  seen = new Set();
  await load();
  await loadRest();
  for (const id of unseen) if (!seen.has(id)) touch(id);
  seen = null;
}

// What is open is loaded whole (up to a limit), of what is over the newest; more when it is scrolled to.
async function loadRest() {
  for (const state of STATES) {
    const isOver = ["completed", "cancelled"].includes(state);
    for (let page = 0; states[state].next.value && rows.size < MOST_ROWS && !(isOver && page >= OVER_PAGES); page += 1) {
      await loadMore(state);
    }
  }
}

export async function loadMore(state) {
  const column = states[state];
  if (!column.next.value || column.coming) return column.coming;
  column.coming = get(`/board/${state}`, { after: column.next.value, limit: PAGE })
    .then((form) => batch(() => {
      form.rows.forEach(put);
      column.next.value = form.next;
    }))
    .finally(() => { column.coming = null; });
  return column.coming;
}

export function put(row) {
  const known = rows.get(row.task_id);
  const before = known?.peek();
  seen?.add(row.task_id);
  if (before && !seen && before.updated_at > row.updated_at) return; // an answer that was overtaken
  row.order = before?.order ?? (order += 1);
  if (known) known.value = row;
  else rows.set(row.task_id, signal(row));
  if (before && before.state !== row.state) leave(before);
  members.get(row.state)?.add(row.task_id);
  if (states[row.state]) states[row.state].version.value += 1;
  if (before && before.state !== row.state && states[row.state]) states[row.state].count.value += 1;
}

function leave(row) {
  members.get(row.state)?.delete(row.task_id);
  states[row.state].version.value += 1;
  states[row.state].count.value = Math.max(0, states[row.state].count.value - 1);
}

function hear(message) {
  if (message.type === "gap") { resync().catch(tellTrouble); return; }
  const id = message.data?.task_id;
  if (!id) return;
  touch(id);
  if (message.type === "approval_request") requests.value += 1;
  if (["completed", "cancelled", "error", "status_change"].includes(message.type)) touchDependents(id);
}

export function touch(id) {
  dirty.add(id);
  if (!timer && !isAsking) timer = setTimeout(ask, Math.max(AT_ONCE_MS, askedAt + GATHER_MS - performance.now()));
}

// A task that ends, or lets its concurrency key go, sets others free of which no event tells.
function touchDependents(id) {
  const key = rows.get(id)?.peek().concurrency_key;
  for (const other of members.get("blocked")) {
    const row = rows.get(other).peek();
    if (row.depends_on?.includes(id) || (key && row.concurrency_key === key)) touch(other);
  }
}

async function ask() {
  clearTimeout(timer);
  timer = 0;
  if (isAsking || !dirty.size) return;
  isAsking = true;
  askedAt = performance.now();
  const ids = [...dirty].slice(0, MOST_IDS);
  ids.forEach((id) => dirty.delete(id));
  try {
    const form = await get("/board/rows", { id: ids });
    batch(() => {
      for (const row of form.rows) put(row);
      for (const id of form.missing) forget(id);
    });
  } catch {
    ids.forEach((id) => dirty.add(id));
  } finally {
    isAsking = false;
    if (dirty.size) timer = setTimeout(ask, GATHER_MS);
  }
}

function forget(id) {
  const known = rows.get(id);
  if (!known) return;
  leave(known.peek());
  rows.delete(id);
}

// Time alone changes states: an instant that is reached, a lease that ran out. And what runs gets on.
setInterval(() => {
  if (document.hidden) return;
  const at = Date.now();
  for (const id of members.get("scheduled")) if (Date.parse(rows.get(id).peek().not_before) <= at) touch(id);
  for (const id of members.get("in_progress")) {
    const row = rows.get(id).peek();
    if (row.steps || Date.parse(row.lease_until) <= at) touch(id);
  }
}, 5000);
