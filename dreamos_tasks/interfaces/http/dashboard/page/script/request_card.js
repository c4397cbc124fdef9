// One request: what is asked, by whom, how risky it is, with which parameters; and the decision.
import { html, useMemo, useRef, useSignal } from "./view.js";
import { post } from "./api.js";
import { Block, Text } from "./harmless.js";
import { ago, countdown, now } from "./times.js";
import { touch } from "./rows.js";
import { readAgain } from "./requests.js";
import { taskHref } from "./route.js";
import { tell } from "./notices.js";
import { Trouble } from "./trouble.js";
import { ParamsForm, paramsFrom } from "./params_form.js";
import { Icon } from "./icons.js";

const taskOf = (request) => request.task_id ?? request.request_id.replace(/\.r\d+$/, "");

export function RequestCard({ request, isLinked, onDecided }) {
  const trouble = useSignal(null);
  const isBusy = useSignal(false);
  const form = useRef(null);
  const id = taskOf(request);
  const decide = async (verb, body, words) => {
    isBusy.value = true;
    trouble.value = null;
    try {
      await post(`/approvals/${encodeURIComponent(request.request_id)}/${verb}`, typeof body === "function" ? body() : body);
      tell(`${request.request_id}: ${words}`);
      touch(id);
      readAgain();
      onDecided?.();
    } catch (error) {
      trouble.value = error;
    } finally {
      isBusy.value = false;
    }
  };
  const reason = () => form.current.elements.reason?.value.trim() || undefined;
  const isQuestion = request.kind === "question";
  return html`<article class="panel request" data-request=${request.request_id}>
    <header><${Icon} of="awaiting_approval" />
      <h2>${isQuestion ? "Question" : html`Approve step <strong><${Text} of=${request.step || "?"} /></strong>`}</h2>
      ${request.risk && html`<span class=${`pill ${request.risk}`}>${request.risk} risk</span>`}
      ${request.expires_at && html`<span class="dim numbers">${countdown(request.expires_at)} left</span>`}
    </header>
    <form ref=${form} class="body" onSubmit=${(event) => event.preventDefault()}>
      <p class="dim">${isLinked && html`<a href=${taskHref(id)}><span class="mono">${id}</span> ${request.title && html`<${Text} of=${request.title} />`}</a> · `}asked by <${Text} of=${request.asked_by} /> ${ago(request.asked_at, now.value)}</p>
      ${request.text && (isQuestion ? html`<p class="question"><${Block} of=${request.text} /></p>` : html`<pre class="preview"><${Block} of=${request.text} /></pre>`)}
      ${request.reasons?.length > 0 && html`<ul class="reasons">${request.reasons.map((one) => html`<li key=${one}><${Text} of=${one} /></li>`)}</ul>`}
      ${isQuestion ? html`<${Answer} request=${request} isBusy=${isBusy.value} onAnswer=${(text) => decide("answer", { text }, "answered")} />`
        : html`<${Decision} request=${request} isBusy=${isBusy.value} reason=${reason} form=${form} decide=${decide} />`}
      ${trouble.value && html`<${Trouble} error=${trouble.value} />`}
    </form>
  </article>`;
}

function Decision({ request, isBusy, reason, form, decide }) {
  const params = useMemo(() => request.params ?? {}, [request.request_id]);
  const approve = () => decide("approve", () => {
    const changed = paramsFrom(form.current, params);
    return { reason: reason(), ...(changed ? { params: changed } : {}) };
  }, "approved");
  return html`<${ParamsForm} id=${request.request_id} params=${params} />
    <label class="field"><span class="name">Why (optional, kept with the decision)</span><input name="reason" autocomplete="off" /></label>
    <div class="buttons">
      <button type="button" class="primary" disabled=${isBusy} onClick=${approve}>Approve</button>
      <button type="button" class="danger" disabled=${isBusy} onClick=${() => decide("reject", { reason: reason() }, "rejected")}>Reject</button>
    </div>`;
}

function Answer({ request, isBusy, onAnswer }) {
  if (request.choices?.length) {
    return html`<div class="buttons" role="group" aria-label="Answers">${request.choices.map((choice) => html`<button key=${choice} type="button" disabled=${isBusy} onClick=${() => onAnswer(choice)}><${Text} of=${choice} /></button>`)}</div>`;
  }
  const send = (event) => {
    const text = event.target.form.elements.answer.value.trim();
    if (text) onAnswer(text);
  };
  return html`<label class="field"><span class="name">Your answer</span><textarea name="answer" rows="3"></textarea></label>
    <div class="buttons"><button type="button" class="primary" disabled=${isBusy} onClick=${send}>Answer</button></div>`;
}
