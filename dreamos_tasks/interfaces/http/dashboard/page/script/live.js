// The connection to the board: events as they happen, after the last one seen; polling where no WebSocket gets through.
import { get, isSignedOut } from "./api.js";
import { signal } from "./view.js";

const SILENCE_MS = 35_000; // the daemon says something more often than that, or the connection is dead
const LONGEST_WAIT_MS = 10_000;
const POLL_MS = 2_000;
const FAILURES_BEFORE_POLLING = 3;

// "connecting" (never yet), "live", "lost"; `since` is when it was lost, `retryAt` when it is tried again.
export const connection = signal({ state: "connecting", since: null, retryAt: null });
const lastId = signal(0);
const listeners = new Set();
let socket = null, failures = 0, silence = 0, retry = 0;

export function onMessage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Follow from this event on. What was missed while the connection was gone comes first.
export function follow(seq) {
  lastId.value = seq;
  connect();
}

export function tryNow() {
  if (connection.value.state === "lost" && !socket) connect();
}

function connect() {
  clearTimeout(retry);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const opened = new WebSocket(`${scheme}://${location.host}/api/v1/live?after=${lastId.value}`);
  socket = opened;
  opened.onopen = () => { failures = 0; alive(); };
  opened.onmessage = (event) => { alive(); receive(JSON.parse(event.data)); };
  opened.onclose = () => { if (socket === opened) lose(); };
}

function alive() {
  clearTimeout(silence);
  silence = setTimeout(() => socket?.close(), SILENCE_MS);
  if (connection.value.state !== "live") connection.value = { state: "live", since: null, retryAt: null };
}

function lose() {
  socket = null;
  failures += 1;
  clearTimeout(silence);
  const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** Math.min(failures, 8)) * (0.7 + 0.6 * Math.random());
  connection.value = { state: "lost", since: connection.value.since ?? Date.now(), retryAt: Date.now() + wait };
  retry = setTimeout(failures >= FAILURES_BEFORE_POLLING ? pollOnce : connect, wait);
}

// Is it only the WebSocket that does not get through? Then the same messages come by asking for them.
async function pollOnce() {
  if (isSignedOut.value) return;
  try {
    const answer = await get("/events", { after: lastId.value });
    answer.forEach(receive);
  } catch {
    connect();
    return;
  }
  connection.value = { state: "live", since: null, retryAt: null };
  failures += 1;
  retry = setTimeout(failures % 15 ? pollOnce : connect, POLL_MS);
}

function receive(message) {
  const isKnown = message.id <= lastId.value && message.type !== "gap" && message.type !== "heartbeat";
  if (message.id > lastId.value || message.type === "gap") lastId.value = message.id;
  if (!isKnown) for (const listener of listeners) listener(message);
}

addEventListener("online", tryNow);
document.addEventListener("visibilitychange", () => { if (!document.hidden) tryNow(); });
