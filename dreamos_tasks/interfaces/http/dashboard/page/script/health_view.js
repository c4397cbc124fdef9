// How the board does: what waits, what gets done, how well and how fast; and what holds things up.
import { html, signal } from "./view.js";
import { get } from "./api.js";
import { usePolled } from "./polled.js";
import { Chart } from "./chart.js";
import { Gates } from "./gates.js";
import { Incidents } from "./incidents.js";
import { Daemon } from "./daemon_panel.js";
import { Trouble } from "./trouble.js";
import { duration } from "./times.js";

const EVERY_MS = 5000;
const window_ = signal("hour");
const sum = (values) => values.reduce((all, value) => all + (value || 0), 0);
const share = (value) => `${value.toFixed(value > 99 && value < 100 ? 1 : 0)} %`;

export function HealthView() {
  const { form, trouble } = usePolled(() => get("/series", { window: window_.value }), EVERY_MS, window_.value);
  return html`<div class="page-head"><h1>Health</h1>
      <div class="buttons" role="group" aria-label="How far back">${["hour", "day"].map((one) => html`<button key=${one} class="small" aria-pressed=${String(window_.value === one)} onClick=${() => { window_.value = one; }}>Last ${one}</button>`)}</div></div>
    <div class="page" tabIndex="0"><div class="inner health">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      <${Incidents} />
      ${form && html`<${Charts} form=${form} />`}
      <div class="halves"><${Daemon} /><${Gates} /></div>
    </div></div>`;
}

function Charts({ form }) {
  const each = form.bucket_seconds === 60 ? "a minute" : `in ${duration(form.bucket_seconds)}`;
  const success = form.completed.map((done, index) => { const all = done + form.failed[index]; return all ? (100 * done) / all : null; });
  const [done, failed, steps, stepsFailed] = [sum(form.completed), sum(form.failed), sum(form.steps), sum(form.steps_failed)];
  return html`<div class="charts">
    <${Chart} title="Not over yet" at=${form.at} lines=${[
      { label: "open", colour: "ready", values: form.open }, { label: "in progress", colour: "in-progress", values: form.running }]} />
    <${Chart} title=${`Tasks ${each}`} at=${form.at} lines=${[
      { label: "completed", colour: "completed", values: form.completed, total: done, kind: "bars" },
      { label: "failed", colour: "failed", values: form.failed, total: failed, kind: "bars" }, { label: "added", colour: "ready", values: form.added, total: sum(form.added) }]} />
    <${Chart} title="Completed of those that ended" at=${form.at} words=${share} most=${100} lines=${[{ label: "success", colour: "completed", values: success, total: done + failed ? (100 * done) / (done + failed) : null }]} />
    <${Chart} title=${`Steps ${each}`} at=${form.at} lines=${[
      { label: "ended", colour: "in-progress", values: form.steps, total: steps, kind: "bars" }, { label: "failed", colour: "failed", values: form.steps_failed, total: stepsFailed, kind: "bars" }]} />
    <${Chart} title="How long steps took" at=${form.at} words=${duration} lines=${[
      { label: "half of them", colour: "in-progress", values: form.step_p50_seconds }, { label: "19 of 20", colour: "stalled", values: form.step_p95_seconds }]} />
    <${Chart} title="How long tasks waited" at=${form.at} words=${duration} lines=${[{ label: "half of them", colour: "scheduled", values: form.waited_p50_seconds }]} />
    ${form.is_cut && html`<p class="dim">So much has happened that the beginning of the day is left out.</p>`}
  </div>`;
}
