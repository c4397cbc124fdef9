// Instants and lengths of time as people say them; and the clock they are measured by, which is the daemon's.
import { signal } from "./view.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;
let ahead = 0; // milliseconds that the board's clock is ahead of this machine's
export const now = signal(Date.now());

setInterval(() => { if (!document.hidden) now.value = Date.now() + ahead; }, 1000);
document.addEventListener("visibilitychange", () => { now.value = Date.now() + ahead; });

export function setClock(instant) {
  const theirs = Date.parse(instant);
  if (Number.isFinite(theirs)) ahead = theirs - Date.now();
  now.value = Date.now() + ahead;
}

export function duration(seconds) {
  const length = Math.abs(seconds);
  if (length < 1 && length > 0) return length < 0.1 ? `${Math.round(length * 1000)} ms` : `${length.toFixed(1)} s`;
  if (length < 90) return `${length < 10 && length % 1 ? length.toFixed(1) : Math.round(length)} s`;
  if (length < 90 * MINUTE) return `${Math.round(length / MINUTE)} min`;
  if (length < 2 * DAY) return `${Math.round(length / HOUR)} h`;
  return `${Math.round(length / DAY)} days`;
}

export const whole = (seconds) => duration(Math.round(Math.abs(seconds)));

export const secondsUntil = (instant, at = now.value) => (Date.parse(instant) - at) / 1000;

export function ago(instant, at = now.value) {
  const seconds = (at - Date.parse(instant)) / 1000;
  if (Math.abs(seconds) < 1.5) return "now";
  return seconds > 0 ? `${whole(seconds)} ago` : `in ${whole(seconds)}`;
}

export function countdown(instant, at = now.value) {
  const seconds = Math.max(0, Math.round(secondsUntil(instant, at)));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / HOUR), Math.floor((seconds % HOUR) / MINUTE)];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % MINUTE)}` : `${minutes}:${two(seconds % MINUTE)}`;
}

export function clock(instant, at = now.value) {
  const day = new Date(instant);
  const time = day.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const isToday = day.toDateString() === new Date(at).toDateString();
  return isToday ? time : `${day.toLocaleDateString([], { day: "numeric", month: "short" })} ${time.slice(0, 5)}`;
}

export function range(expected) {
  if (!expected) return "";
  const [low, high] = [expected.low_seconds, expected.high_seconds];
  const words = duration(low) === duration(high) ? duration(high) : `${duration(low)} – ${duration(high)}`;
  return expected.is_rough ? `about ${words}` : words;
}
