// The way to /api/v1: JSON in, JSON out, and one kind of error, which says what happened, why, and what to do.
import { signal } from "./view.js";

const ROOT = "/api/v1";
export const isSignedOut = signal(false);

class Refused extends Error {
  constructor(status, form) {
    super(form.detail || form.title || form.message || `the daemon answered ${status}`);
    this.status = status;
    this.code = form.code || "";
    this.cause = form.cause || "";
    this.fix = form.fix || "";
    this.errors = form.errors || (form.pointer ? [{ pointer: form.pointer, message: this.message, expected: this.cause, fix: this.fix }] : []);
  }
}

class Unreachable extends Error {
  constructor() {
    super("the daemon does not answer");
    this.cause = "it is not running, or was just stopped";
    this.fix = "dt up starts it; this page connects by itself";
  }
}

export async function call(method, path, { body, query, signal: abort } = {}) {
  const url = new URL(ROOT + path, location.origin);
  for (const [name, value] of Object.entries(query || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") url.searchParams.append(name, one);
    }
  }
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, {
      method, headers, signal: abort, credentials: "same-origin", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  const form = await readForm(answer);
  if (answer.status === 401) isSignedOut.value = true;
  if (!answer.ok) throw new Refused(answer.status, form || {});
  return form;
}

export const get = (path, query, options) => call("GET", path, { query, ...options });
export const post = (path, body = {}) => call("POST", path, { body });
export const patch = (path, body) => call("PATCH", path, { body });
export const taskPath = (id) => `/tasks/${encodeURIComponent(id)}`;

async function readForm(answer) {
  const text = await answer.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) };
  }
}
