// The shell: navigation, the banner when something must not be missed, and the view that is chosen.
import { html, useEffect, useSignal } from "./view.js";
import { isSignedOut } from "./api.js";
import { connection, tryNow } from "./live.js";
import { goBack, route, VIEWS } from "./route.js";
import { idsOf, states } from "./rows.js";
import { open } from "./requests.js";
import { unheeded } from "./incident_watch.js";
import { clock, now } from "./times.js";
import { bindAll, isHelpOpen } from "./keys.js";
import { isNarrow } from "./narrow.js";
import { nextTheme, theme } from "./theme.js";
import { asking, isAdding } from "./steering.js";
import { Notices } from "./notices.js";
import { Help } from "./help.js";
import { AddTask } from "./add_task.js";
import { Confirm } from "./confirm.js";
import { Icon } from "./icons.js";
import { BoardView } from "./board_view.js";
import { TaskView } from "./task_view.js";
import { ApprovalsView } from "./approvals_view.js";
import { AgentsView } from "./agents_view.js";
import { FailedView } from "./failed_view.js";
import { SignedOut } from "./signed_out.js";
import { count, plain, viewWord } from "./words.js";

// A view that is not needed for the first paint: charts weigh more than all the rest.
const later = [];
function Later(fetchView) {
  later.push(fetchView);
  return function Fetched(props) {
    const found = useSignal(null);
    const isLive = connection.value.state === "live";
    useEffect(() => { if (!found.value) fetchView().then((View) => { found.value = { View }; }).catch(() => {}); }, [isLive]);
    return found.value && html`<${found.value.View} ...${props} />`;
  };
}

// They are fetched before somebody looks: a view that is opened while there is no daemon shows at least that.
export const fetchLater = () => Promise.allSettled(later.map((fetchView) => fetchView()));

// A view that is added is named here and in route.VIEWS, in words.viewWord if its name is not its word; its key is "g" and its first letter.
const SHOWN = { board: BoardView, task: TaskView, approvals: ApprovalsView, agents: AgentsView, episodes: Later(() => import("./episodes_view.js").then((module) => module.EpisodesView)), incidents: Later(() => import("./incidents_view.js").then((module) => module.IncidentsView)), mail: Later(() => import("./mail_view.js").then((module) => module.MailView)), health: Later(() => import("./health_view.js").then((module) => module.HealthView)), failed: FailedView };
const SHORT = { approvals: "Approve", failed: "Failed" };

export function Shell() {
  useEffect(() => bindAll("Everywhere", {
    "?": ["this list", () => { isHelpOpen.value = true; }],
    n: ["add a task", () => { isAdding.value = true; }],
    t: ["light, dark, or as the system has it", nextTheme],
    Escape: ["back from a task", () => { if (route.value.view === "task") goBack(); }],
    ...Object.fromEntries(VIEWS.map((view) => [`g ${view[0] === "a" && view !== "approvals" ? "w" : view[0]}`, [`go to ${viewWord(view).toLowerCase()}`, () => { location.hash = `#/${view}`; }]])),
  }), []);
  const { view, id } = route.value;
  const View = SHOWN[view] || BoardView;
  if (isSignedOut.value) return html`<${SignedOut} />`;
  return html`<div class="shell">
    <a class="skip button" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to content</a>
    <${Navigation} current=${view === "task" ? "board" : view} />
    <${Banner} />
    <main id="main" tabIndex=${-1}><${View} key=${`${view} ${id}`} id=${id} /></main>
    <${Notices} />
    ${isHelpOpen.value && html`<${Help} />`}
    ${isAdding.value && html`<${AddTask} />`}
    ${asking.value && html`<${Confirm} />`}
  </div>`;
}

function Navigation({ current }) {
  return html`<nav class="nav" aria-label="Views">
    <a class="brand" href="#/board"><img src="page/icon.svg" width="22" height="22" alt="" /> dreamos-tasks</a>
    <ul>
      ${VIEWS.map((view) => html`<li key=${view}><a href=${`#/${view}`} aria-current=${current === view ? "page" : null}>
        <${Icon} of=${view} /><span class="label">${SHORT[view] && isNarrow.value ? SHORT[view] : viewWord(view)}</span><${Number} view=${view} />
      </a></li>`)}
    </ul>
    <div class="foot">
      <${Connection} />
      <div class="buttons">
        <button class="plain small" onClick=${nextTheme} title="Light or dark (t)"><${Icon} of="moon" size=${14} />${plain(theme.value)}</button>
        <button class="plain small" onClick=${() => { isHelpOpen.value = true; }} title="Keys (?)"><${Icon} of="keys" size=${14} />Keys</button>
      </div>
    </div>
  </nav>`;
}

function Number({ view }) {
  if (view === "approvals" && open.value.length) return html`<span class="count urgent" aria-label=${`${count(open.value.length, "request")} open`}>${open.value.length}</span>`;
  if (view === "incidents" && unheeded.value) return html`<span class="count urgent" aria-label=${`${unheeded.value} not acknowledged`}>${unheeded.value}</span>`;
  if (view !== "failed") return null;
  void states.failed.version.value;
  const failed = Math.max(states.failed.count.value, idsOf("failed").size);
  return failed ? html`<span class="count">${failed.toLocaleString()}</span>` : null;
}

function Connection() {
  const { state } = connection.value;
  const words = { live: "Live", connecting: "Connecting", lost: "Not connected" }[state];
  return html`<p class=${`connection ${state}`}><i></i>${words}</p>`;
}

function Banner() {
  const { state, since, retryAt } = connection.value;
  const asks = open.value.length > 0 && route.value.view !== "approvals";
  return html`<section class="banner" aria-label="What must not be missed">
    <div hidden=${state !== "lost"} class="stale">
      <p role="alert">${state === "lost" && `Stale since ${clock(since)}: the daemon does not answer.`}</p>
      ${state === "lost" && html`<span class="numbers"><${Again} at=${retryAt} /></span><button class="small" onClick=${tryNow}>Try now</button>`}
    </div>
    <div hidden=${!asks} class="asks">
      <p role="status">${asks && html`<${Icon} of="awaiting_approval" /> ${open.value.length === 1 ? "A task waits for your decision" : `${open.value.length} requests wait for your decision`}`}</p>
      ${asks && html`<a class="button small" href="#/approvals">Decide</a>`}</div>
  </section>`;
}

const Again = ({ at }) => { void now.value; return `again in ${Math.max(0, Math.ceil((at - Date.now()) / 1000))} s`; };
