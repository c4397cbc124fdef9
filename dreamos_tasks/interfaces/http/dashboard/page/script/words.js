// What states, verbs and events are called on the page.
export const STATE_WORDS = {
  scheduled: "Scheduled", blocked: "Blocked", ready: "Ready", stalled: "Stalled", in_progress: "In progress",
  awaiting_approval: "Awaiting approval", paused: "Paused", failed: "Failed", completed: "Completed", cancelled: "Cancelled",
  pending: "Pending", running: "Running", skipped: "Skipped",
};
export const PRIORITIES = ["critical", "high", "medium", "low"];
export const FINAL = new Set(["completed", "failed", "cancelled"]);
export const VERB_WORDS = { pause: "Pause", resume: "Resume", retry: "Retry", cancel: "Cancel task", undo: "Undo steps" };
export const DONE_WORDS = { pause: "Pausing", resume: "Resumed", retry: "Queued again", cancel: "Cancelled", undo: "Taking its steps back" };
export const columnWord = (state) => (state === "awaiting_approval" ? "Awaiting you" : stateWord(state)); // columns are narrow
export const stateWord = (state) => STATE_WORDS[state] || plain(state);
export const viewWord = (view) => (view === "failed" ? "Dead letters" : plain(view));
export const plain = (word) => { const text = String(word).replaceAll("_", " "); return text[0]?.toUpperCase() + text.slice(1); };
export const isLong = (text) => text.length > 1000 || text.split("\n").length > 15; // it scrolls: the keyboard must get into it
export const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
