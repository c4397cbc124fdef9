// Which columns are folded to a strip: remembered by this browser.
import { signal } from "./view.js";

const KEY = "dreamos-tasks.folded";
const AT_FIRST = ["scheduled", "blocked", "cancelled"];
export const folded = signal(new Set(read()));

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? AT_FIRST;
  } catch {
    return AT_FIRST;
  }
}

// Fold it, or unfold it.
export function fold(state) {
  const next = new Set(folded.value);
  if (!next.delete(state)) next.add(state);
  folded.value = next;
  localStorage.setItem(KEY, JSON.stringify([...next]));
}
