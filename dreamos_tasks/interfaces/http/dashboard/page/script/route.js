// Where in the dashboard we are, as the address after # says it: every view, task and filter can be linked to.
import { computed, signal } from "./view.js";

export const VIEWS = ["board", "approvals", "incidents", "episodes", "agents", "mail", "health", "failed"];

function read() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, part = ""] = path.split("/");
  const id = decoded(part);
  const isKnown = VIEWS.includes(view) || (view === "task" && id);
  return { view: isKnown ? view : "board", id: isKnown ? id : "", query: new URLSearchParams(search || "") };
}

// An address that somebody mistyped leads somewhere all the same.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(read());
export const view = computed(() => route.value.view);
export const named = signal(""); // what the task in sight is called, for the title of the browser's tab
export const taskHref = (id) => `#/task/${encodeURIComponent(id)}`;
export const mailHref = (name) => `#/mail/${encodeURIComponent(name)}`;

const pathOf = ({ view: here, id, query }) => `#/${here}${id ? `/${encodeURIComponent(id)}` : ""}${query.size ? `?${query}` : ""}`;

let before = "#/board"; // the view from which a task was opened, with its filters
export const goBack = () => { location.hash = before; };

addEventListener("hashchange", () => {
  if (route.value.view !== "task") before = pathOf(route.value);
  route.value = read();
});

// Changes the part behind "?" without a new entry in the history: what is typed into a filter is no place to go back to.
export function setQuery(values) {
  const query = new URLSearchParams(route.value.query);
  for (const [name, value] of Object.entries(values)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  history.replaceState(null, "", pathOf({ ...route.value, query }));
  route.value = read();
}
