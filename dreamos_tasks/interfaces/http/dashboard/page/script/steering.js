// What a person does to tasks from a list or a page: steer, set the priority, add. Each says what came of it.
import { signal } from "./view.js";
import { get, patch, post, taskPath } from "./api.js";
import { attempt } from "./notices.js";
import { rowOf, touch } from "./rows.js";
import { DONE_WORDS, PRIORITIES } from "./words.js";

export const focusedId = signal(""); // the card that the keys act on
export const isAdding = signal(false);
export const asking = signal(null); // {words, act}: what is to be confirmed first

export async function setPriority(id, priority) {
  if (rowOf(id)?.peek().priority === priority) return;
  await attempt(() => patch(taskPath(id), { priority }), `${id} is ${priority} now`);
  touch(id);
}

export function shiftPriority(id, by) {
  const rank = PRIORITIES.indexOf(rowOf(id)?.peek().priority);
  const next = PRIORITIES[rank + by];
  if (rank >= 0 && next) setPriority(id, next);
}

export async function say(verb, id) {
  const done = await attempt(() => post(`${taskPath(id)}/${verb}`), (task) => `${id}: ${verb === "pause" && task?.status === "paused" ? "Paused" : DONE_WORDS[verb] || verb}`);
  touch(id);
  return done;
}

// By key, on the card that has the focus: only what is legal now.
export async function sayIfLegal(verb, id) {
  const known = rowOf(id)?.peek();
  if (!known) return;
  const legal = (await get(`${taskPath(id)}/ahead`)).choices;
  if (!legal.includes(verb)) {
    await attempt(() => Promise.reject(new Error(`${id} cannot be ${verb === "pause" ? "paused" : verb === "resume" ? "resumed" : `${verb}led`} now`)));
    return;
  }
  if (verb === "cancel") asking.value = { words: `Cancel ${id}: ${known.title}?`, label: "Cancel task", act: () => say("cancel", id) };
  else await say(verb, id);
}
