// The board: a column for each state that has tasks; arrow keys go among the cards.
import { computed, html, signal, useEffect } from "./view.js";
import { Column, Folded } from "./column.js";
import { folded } from "./folding.js";
import { Filters } from "./filters.js";
import { idsOf, isLoaded, rowOf, STATES, states } from "./rows.js";
import { bindAll } from "./keys.js";
import { focusedId, isAdding, sayIfLegal, setPriority, shiftPriority } from "./steering.js";
import { CARD_HEIGHT, layoutOf, shownIds } from "./queue.js";
import { isNarrow } from "./narrow.js";
import { Icon } from "./icons.js";
import { columnWord, PRIORITIES } from "./words.js";

const ALWAYS = new Set(["ready", "in_progress", "completed"]);
const FIRST = ["ready", "in_progress", "awaiting_approval", ...STATES];
const chosen = signal(""); // on a phone, one column is in sight

const shownStates = computed(() => STATES.filter((state) => {
  void states[state].version.value;
  return ALWAYS.has(state) || idsOf(state).size > 0;
}));

export function BoardView() {
  useEffect(() => bindAll("Board", {
    ArrowDown: ["next card", () => move(0, 1)], j: ["next card", () => move(0, 1)],
    ArrowUp: ["card before", () => move(0, -1)], k: ["card before", () => move(0, -1)],
    ArrowRight: ["next column", () => move(1, 0)], l: ["next column", () => move(1, 0)],
    ArrowLeft: ["column before", () => move(-1, 0)], h: ["column before", () => move(-1, 0)],
    "+": ["raise its priority", () => onCard((id) => shiftPriority(id, -1))],
    "-": ["lower its priority", () => onCard((id) => shiftPriority(id, 1))],
    ...Object.fromEntries(PRIORITIES.map((priority, index) => [String(index + 1), [`priority ${priority}`, () => onCard((id) => setPriority(id, priority))]])),
    p: ["pause it", () => onCard((id) => sayIfLegal("pause", id))],
    u: ["resume it", () => onCard((id) => sayIfLegal("resume", id))],
    x: ["cancel it", () => onCard((id) => sayIfLegal("cancel", id))],
  }), []);
  const columns = shownStates.value;
  const visible = columns.includes(chosen.value) ? chosen.value : FIRST.find((state) => shownIds[state].value.length) ?? "ready";
  useEffect(() => { document.querySelector(".tabs [aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "center" }); }, [visible, isLoaded.value]);
  return html`
    <div class="page-head">
      <h1>Board</h1>
      <${Filters} />
      <button class="primary" onClick=${() => { isAdding.value = true; }}><${Icon} of="plus" /> Add task</button>
    </div>
    <div class="tabs" role="tablist" aria-label="States">
      ${columns.map((state) => html`<button key=${state} role="tab" class=${`small ${state}`} aria-selected=${state === visible ? "true" : "false"}
        onClick=${() => { chosen.value = state; }}><${Icon} of=${state} size=${13} />${columnWord(state)} <${Shown} state=${state} /></button>`)}
    </div>
    ${isLoaded.value && html`<div class="board">${columns.map((state) => (folded.value.has(state) && !isNarrow.value
      ? html`<${Folded} key=${state} state=${state} />` : html`<${Column} key=${state} state=${state} isChosen=${state === visible} />`))}</div>`}`;
}

const Shown = ({ state }) => html`<span class="numbers">${shownIds[state].value.length.toLocaleString()}</span>`;

function onCard(act) {
  const id = document.activeElement?.dataset?.id;
  if (id) act(id);
}

// To the neighbour of the card that has the focus; without one, to the first card.
function move(columns, cards) {
  const id = document.activeElement?.dataset?.id || "";
  const state = id && rowOf(id)?.peek().state;
  const lists = shownStates.value.filter((one) => shownIds[one].value.length && listOf(one));
  if (!lists.length) return;
  if (!state) { focusCard(lists.includes("ready") ? "ready" : lists[0], 0); return; }
  const at = shownIds[state].value.indexOf(id);
  if (cards) { focusCard(state, at + cards); return; }
  const next = lists[lists.indexOf(state) + columns];
  if (next) focusCard(next, Math.min(at, Math.round((listOf(next).scrollTop + 200) / CARD_HEIGHT)));
}

const listOf = (state) => document.querySelector(`.column[data-state="${state}"] .list`);

function focusCard(state, index) {
  const ids = shownIds[state].value;
  const id = ids[Math.max(0, Math.min(index, ids.length - 1))];
  const list = listOf(state);
  if (!id || !list) return;
  chosen.value = state;
  const { y } = layoutOf(state, ids, false).places.find((place) => place.id === id);
  if (y < list.scrollTop + 30) list.scrollTop = Math.max(0, y - 40);
  else if (y + CARD_HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = y + CARD_HEIGHT - list.clientHeight + 20;
  focusedId.value = id;
  requestAnimationFrame(() => requestAnimationFrame(() => list.querySelector(`[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true })));
}
