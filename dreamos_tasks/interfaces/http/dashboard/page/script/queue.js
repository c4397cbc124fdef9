// The order of a column, and where each of its cards is: what a list needs to draw only what is in sight.
import { computed } from "./view.js";
import { filter, fits } from "./filters.js";
import { idsOf, rowOf, STATES, states } from "./rows.js";
import { FINAL, PRIORITIES } from "./words.js";

export const CARD_HEIGHT = 84, GROUP_HEIGHT = 30; // with the gap below
const NEVER = "~"; // behind every instant
const RANK = Object.fromEntries(PRIORITIES.map((priority, rank) => [priority, rank]));

// As tasks are claimed: priority, due instant, age. What is over: the latest first.
const inQueueOrder = (a, b) =>
  RANK[a.priority] - RANK[b.priority] || compare(a.due_at || NEVER, b.due_at || NEVER)
  || compare(a.created_at, b.created_at) || a.order - b.order;
const latestFirst = (a, b) => compare(b.finished_at || "", a.finished_at || "") || b.order - a.order;
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// By state: the ids that the filter lets through, in order.
export const shownIds = Object.fromEntries(STATES.map((state) => [state, computed(() => {
  void states[state].version.value;
  const chosen = filter.value;
  const rows = [];
  for (const id of idsOf(state)) {
    const row = rowOf(id).peek();
    if (fits(row, chosen)) rows.push(row);
  }
  return rows.sort(FINAL.has(state) ? latestFirst : inQueueOrder).map((row) => row.task_id);
})]));

// The column as it is laid out: groups by priority with their cards, each with its place; finished tasks have no groups.
export function layoutOf(state, ids, everyGroup) {
  const places = [];
  let y = 0, last = null;
  const group = (priority) => { places.push({ key: `group ${priority}`, priority, y, height: GROUP_HEIGHT }); y += GROUP_HEIGHT; };
  if (FINAL.has(state)) {
    ids.forEach((id) => { places.push({ key: id, id, y, height: CARD_HEIGHT }); y += CARD_HEIGHT; });
    return { places, height: y };
  }
  for (const id of ids) {
    const { priority } = rowOf(id).peek();
    if (priority !== last) {
      for (const one of PRIORITIES.slice(last === null ? 0 : RANK[last] + 1, RANK[priority] + 1)) if (everyGroup || one === priority) group(one);
      last = priority;
    }
    places.push({ key: id, id, priority, y, height: CARD_HEIGHT });
    y += CARD_HEIGHT;
  }
  if (everyGroup) PRIORITIES.slice(last === null ? 0 : RANK[last] + 1).forEach(group);
  return { places, height: y };
}

// The places that are in sight, and some beyond on both sides.
export function inSight(places, top, height, beyond = 420) {
  let low = 0, high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle].y + places[middle].height < top - beyond) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < places.length && places[end].y < top + height + beyond) end += 1;
  return places.slice(low, end);
}
