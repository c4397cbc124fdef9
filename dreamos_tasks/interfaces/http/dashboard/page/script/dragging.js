// Dragging a card within its column: where it is let go decides its priority.
import { signal } from "./view.js";
import { rowOf } from "./rows.js";
import { setPriority } from "./steering.js";

let held = null; // {id, state, priority} of the card that is being dragged
export const dragged = signal(null); // {state, over}: the column whose groups are open, and the priority it is over

export const dragSource = {
  begin(event, id) {
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", id);
    event.target.classList.add("dragged");
    const { state, priority } = rowOf(id).peek();
    held = { id, state, priority };
    setTimeout(() => { if (held) dragged.value = { state, over: priority }; }); // once the browser has drawn what is dragged
  },
  end(event) {
    event.target.classList.remove("dragged");
    letGo();
  },
};

// What a column's list listens to.
export const dropPlace = (state, list, places) => ({
  onDragOver(event) {
    if (held?.state !== state) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    const over = priorityAt(places, offset(list.current, event));
    if (dragged.value && over !== dragged.value.over) dragged.value = { state, over };
  },
  onDrop(event) {
    if (held?.state !== state) return;
    event.preventDefault();
    setPriority(held.id, priorityAt(places, offset(list.current, event)));
    letGo();
  },
});

function letGo() {
  held = null;
  dragged.value = null;
}

const offset = (list, event) => event.clientY - list.getBoundingClientRect().top + list.scrollTop;

function priorityAt(places, y) {
  let found = places[0]?.priority;
  for (const place of places) {
    if (place.y > y) break;
    found = place.priority;
  }
  return found;
}
