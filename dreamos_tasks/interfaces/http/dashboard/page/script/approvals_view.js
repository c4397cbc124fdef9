// Everything that waits for a person's word, the oldest first.
import { html } from "./view.js";
import { allowNotes, mayNotify, open } from "./requests.js";
import { RequestCard } from "./request_card.js";
import { Icon } from "./icons.js";

export function ApprovalsView() {
  return html`<div class="page-head"><h1>Approvals and questions</h1>
    ${mayNotify.value === "default" && html`<button class="small" onClick=${allowNotes}><${Icon} of="bell" size=${14} /> Tell me on the desktop</button>`}
    ${mayNotify.value === "granted" && html`<span class="dim">You are told on the desktop</span>`}
  </div>
  <div class="page" tabIndex="0"><div class="inner requests" aria-live="polite">
    ${open.value.map((request) => html`<${RequestCard} key=${request.request_id} request=${request} isLinked />`)}
    ${!open.value.length && html`<p class="empty"><strong>Nobody waits for you</strong>Steps that may do harm, and questions of agents, appear here.</p>`}
  </div></div>`;
}
