// Everything that waits for a person's word, the oldest first.
import { html, useEffect, useRef } from "./view.js";
import { allowNotes, isRead, mayNotify, open } from "./requests.js";
import { RequestCard } from "./request_card.js";
import { Icon } from "./icons.js";
import { count } from "./words.js";

export function ApprovalsView() {
  const place = useRef(null);
  const wasIn = useRef(false);
  useEffect(() => { // the card that was decided about is gone: who uses the keyboard goes on here
    if (wasIn.current && document.activeElement === document.body) place.current.focus();
  }, [open.value]);
  return html`<div class="page-head"><h1>Approvals and questions</h1>
    ${mayNotify.value === "default" && html`<button class="small" onClick=${allowNotes}><${Icon} of="bell" size=${14} /> Tell me on the desktop</button>`}
    ${mayNotify.value === "granted" && html`<span class="dim">You are told on the desktop</span>`}
  </div>
  <p class="visually-hidden" role="status">${count(open.value.length, "request")} open</p>
  <div class="page" tabIndex="0" ref=${place} onFocusIn=${() => { wasIn.current = true; }}><div class="inner requests">
    ${open.value.map((request) => html`<${RequestCard} key=${request.request_id} request=${request} isLinked />`)}
    ${isRead.value && !open.value.length && html`<p class="empty"><strong>Nobody waits for you</strong>Steps that may do harm, and questions of agents, appear here.</p>`}
  </div></div>`;
}
