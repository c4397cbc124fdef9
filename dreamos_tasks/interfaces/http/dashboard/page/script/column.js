// A column: the tasks of one state, of which only those in sight are drawn. Cards can be dragged to another priority.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useSignal } from "./view.js";
import { isEmpty, loadMore, states } from "./rows.js";
import { inSight, layoutOf, shownIds } from "./queue.js";
import { filter } from "./filters.js";
import { Card } from "./card.js";
import { Icon } from "./icons.js";
import { dragged, dragSource, dropPlace } from "./dragging.js";
import { fold } from "./folding.js";
import { focusedId } from "./steering.js";
import { columnWord, FINAL, stateWord } from "./words.js";

const scrolled = new Map(); // how far each column was, when the board is come back to
const NEAR_END = 1500;

export function Column({ state, isChosen }) {
  const place = useRef(null);
  const top = useSignal(scrolled.get(state) || 0);
  const height = useSignal(800);
  const ids = shownIds[state].value;
  const isFinal = FINAL.has(state);
  const isOpenForDrop = !isFinal && dragged.value?.state === state;
  const { places, height: whole } = useMemo(() => layoutOf(state, ids, isOpenForDrop), [ids, isOpenForDrop]);
  useLayoutEffect(() => {
    const element = place.current;
    element.scrollTop = scrolled.get(state) || 0;
    const watch = new ResizeObserver(() => { height.value = element.clientHeight; });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const held = useFocusKept(ids, place);
  const hasMore = states[state].next.value !== null;
  useEffect(() => {
    if (hasMore && top.value + height.value > whole - NEAR_END) loadMore(state)?.catch(() => {});
  }, [hasMore, whole, top.value, height.value]);
  const drawn = inSight(places, top.value, height.value);
  const stop = drawn.find(({ id }) => id && id === focusedId.value) ?? drawn.find(({ id, y }) => id && y >= top.value); // where Tab comes to
  const onScroll = () => { top.value = place.current.scrollTop; scrolled.set(state, top.value); };
  return html`<section class=${`column ${isChosen ? "chosen" : ""}`} aria-label=${stateWord(state)} data-state=${state}>
    <header><${Icon} of=${state} /><h2>${columnWord(state)}</h2><${Count} state=${state} shown=${ids.length} />
      <button class="plain fold" onClick=${() => fold(state)} aria-label=${`Fold ${stateWord(state)}`} title="Fold">‹</button></header>
    <div class="list" ref=${place} onScroll=${onScroll} tabIndex=${-1} ...${held} ...${isFinal ? {} : dropPlace(state, place, places)}>
      ${!places.length && html`<p class="nothing">${filter.value.isSet ? "Nothing fits the filter" : state === "ready" && isEmpty.value ? html`No task yet. <kbd>n</kbd> adds one, and so do <code>dt add</code> and a file in the inbox.` : "Nothing here"}</p>`}
      <ul style=${{ height: `${whole}px` }} role="list">
        ${drawn.map((one) => html`<${Slot} key=${one.key} place=${one} isStop=${one === stop} isOver=${isOpenForDrop && dragged.value.over === one.priority} canDrag=${!isFinal} />`)}
      </ul>
    </div>
  </section>`;
}

// When the card that has the focus goes (far down, to another column), the one that takes its place has it.
function useFocusKept(ids, place) {
  const had = useRef(null);
  useLayoutEffect(() => {
    const was = had.current;
    if (!was || was.ids === ids || document.activeElement !== document.body) return;
    had.current = null;
    const id = ids[Math.min(was.at, ids.length - 1)];
    if (!id) return;
    focusedId.value = id;
    place.current.querySelector(`[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true });
  });
  return {
    onFocusIn: (event) => { const at = ids.indexOf(event.target.dataset.id); had.current = at < 0 ? null : { ids, at }; },
    onFocusOut: ({ target }) => setTimeout(() => { if (target.isConnected && target !== document.activeElement && !place.current?.contains(document.activeElement)) had.current = null; }),
  };
}

function Count({ state, shown }) {
  const more = states[state].next.value !== null && !FINAL.has(state);
  const all = FINAL.has(state) && !filter.value.isSet ? Math.max(states[state].count.value, shown) : shown;
  return html`<span class="count">${all.toLocaleString()}${more ? "+" : ""}</span>`;
}

function Slot({ place, isStop, isOver, canDrag }) {
  const style = { transform: `translateY(${place.y}px)` };
  if (!place.id) {
    return html`<li class="slot" style=${style}><div class=${`group ${place.priority} ${isOver ? "over" : ""}`}><h3>${place.priority}</h3><span class="rule"></span></div></li>`;
  }
  return html`<li class="slot" style=${style}><${Card} id=${place.id} isStop=${isStop} drag=${canDrag ? dragSource : null} /></li>`;
}

// A folded column: its name and number, until it is pressed.
export function Folded({ state }) {
  return html`<button class="folded" data-state=${state} onClick=${() => fold(state)} aria-expanded="false" title=${`Unfold ${stateWord(state)}`}>
    <${Icon} of=${state} /><${Count} state=${state} shown=${shownIds[state].value.length} /><span class="name">${columnWord(state)}</span></button>`;
}
