// Dragging a card within its column: where it is let go decides its priority.
import { signal } from "./view.js";
import { setPriority } from "./steering.js";

export const dragged = signal(null); // {id, state, over}: which card, and over which priority it is now

// What a column's list listens to while a card of it is dragged.
export function dropPlace(list, places) {
  return {
    onDragOver(event) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "move";
      const over = priorityAt(places, offset(list.current, event));
      if (over !== dragged.value?.over) dragged.value = { ...dragged.value, over };
    },
    onDrop(event) {
      event.preventDefault();
      const { id } = dragged.value;
      const over = priorityAt(places, offset(list.current, event));
      dragged.value = null;
      setPriority(id, over);
    },
  };
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
