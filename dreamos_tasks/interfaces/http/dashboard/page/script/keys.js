// The keys: what each does, where it does so, and the list of them that "?" shows.
import { signal } from "./view.js";

const CHORD_MS = 1200;
const bound = new Map(); // key -> [{act, words, group}], the last bound comes first
let chord = "", chordTimer = 0;
export const isHelpOpen = signal(false);

// `keys` is one key ("n"), or two pressed after each other ("g b"). Gives the function that takes it back.
export function bind(keys, words, act, group = "Everywhere") {
  const entry = { keys, words, act, group };
  bound.set(keys, [...(bound.get(keys) || []), entry]);
  return () => bound.set(keys, bound.get(keys).filter((one) => one !== entry));
}

export function bindAll(group, table) {
  const undo = Object.entries(table).map(([keys, [words, act]]) => bind(keys, words, act, group));
  return () => undo.forEach((take) => take());
}

export function boundKeys() {
  const groups = new Map();
  for (const entries of bound.values()) {
    const entry = entries.at(-1);
    if (entry) groups.set(entry.group, [...(groups.get(entry.group) || []), entry]);
  }
  return groups;
}

const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.(TYPING)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const entry = found(chord ? `${chord} ${event.key}` : event.key);
  const begins = !chord && [...bound.keys()].some((keys) => keys.startsWith(`${event.key} `));
  setChord(begins ? event.key : "");
  if (!entry) return;
  event.preventDefault();
  entry.act(event);
});

const found = (keys) => bound.get(keys)?.at(-1);

function setChord(key) {
  clearTimeout(chordTimer);
  chord = key;
  if (key) chordTimer = setTimeout(() => { chord = ""; }, CHORD_MS);
}
