// What people are asked, and how they are told: a number in the title and on the icon, a note on the desktop if allowed.
import { effect, signal } from "./view.js";
import { get } from "./api.js";
import { isLoaded, requests as news } from "./rows.js";
import { harmless } from "./harmless.js";
import { named, route } from "./route.js";
import { viewWord } from "./words.js";

const GATHER_MS = 60, MOST = 1000;
export const open = signal([]); // the requests that wait for a decision, oldest first
export const isRead = signal(false); // until then nobody knows whether anybody asks
export const mayNotify = signal(globalThis.Notification?.permission || "unsupported");
const known = new Set();
let timer = 0, isFirst = true;

export function watchRequests() {
  effect(() => {
    void news.value;
    if (!isLoaded.value) return;
    clearTimeout(timer);
    timer = setTimeout(() => read().catch(() => {}), GATHER_MS);
  });
  effect(showCount);
}

async function read() {
  open.value = (await get("/approvals", { limit: MOST })).reverse(); // they come newest first
  for (const request of open.value) {
    if (!isFirst && !known.has(request.request_id)) notify(request);
    known.add(request.request_id);
  }
  isFirst = false;
  isRead.value = true;
}

export const readAgain = () => { news.value += 1; };

function showCount() {
  const number = open.value.length;
  const name = route.value.view === "task" ? `${route.value.id} ${harmless(named.value)}`.trim() : viewWord(route.value.view);
  document.title = `${number ? `(${number}) ` : ""}${name} · dreamos-tasks`;
  document.getElementById("icon").href = number ? "page/icon-asks.svg" : "page/icon.svg";
}

export async function allowNotes() {
  mayNotify.value = await Notification.requestPermission();
}

function notify(request) {
  if (mayNotify.value !== "granted" || !document.hidden) return;
  const title = request.kind === "question" ? "A task asks a question" : `Approve step ${request.step ?? ""}?`;
  const note = new Notification(harmless(title), { body: harmless(`${request.task_id}: ${request.text}`).slice(0, 200), tag: request.request_id });
  note.onclick = () => { window.focus(); location.hash = "#/approvals"; };
}
