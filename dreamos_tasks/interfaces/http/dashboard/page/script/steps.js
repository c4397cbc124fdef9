// The steps of a task, each as it stands: running ones with their clock, ended ones with how long they took.
import { html } from "./view.js";
import { Text } from "./harmless.js";
import { duration, now, range, whole } from "./times.js";
import { Icon } from "./icons.js";
import { stateWord } from "./words.js";

const TELLING = ["command", "action", "method", "function", "url", "path", "pattern", "query", "subject"];
const LONGEST_CALL = 160;

export function Steps({ task, eta, expected }) {
  const records = new Map(task.steps.map((record) => [record.name, record]));
  const proven = new Map(task.evidence.map((evidence) => [evidence.step, evidence]));
  const planned = task.plan?.steps ?? [];
  return html`<section class="panel steps"><header><h2>Steps</h2>${eta && html`<${Whole} eta=${eta} isRunning=${Boolean(task.claim)} />`}</header>
    <ol>${planned.map((step) => html`<${Step} key=${step.name} step=${step} record=${records.get(step.name)} expected=${expected[step.name]} claim=${task.claim} />`)}
      ${task.verify.map((step) => html`<li key=${`verify ${step.name}`} class="step"><${Icon} of=${proven.has(step.name) ? "completed" : "pending"} label=${proven.has(step.name) ? "passed" : "must pass"} />
        <div><p class="name"><${Text} of=${step.name} /> <span class="dim">check</span></p><${Call} step=${step} /></div>
        <span class="end dim">${proven.has(step.name) ? "passed" : "must pass"}</span></li>`)}
    </ol></section>`;
}

function Whole({ eta, isRunning }) {
  return html`<span class="numbers dim whole">${eta.percent.toFixed(0)} %${isRunning && eta.remaining?.samples > 0 && html` · ${range(eta.remaining)} left`}</span>
    <span class="bar" role="progressbar" aria-label="How much is done" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(eta.percent)}><i style=${{ transform: `scaleX(${eta.percent / 100})` }}></i></span>`;
}

function Step({ step, record, expected, claim }) {
  const isUndone = record?.undone?.ok && (record.status ?? "pending") === "pending";
  const status = isUndone ? "pending" : record?.status ?? "pending";
  const isRunning = status === "running" && claim && record.token === claim.token;
  return html`<li class=${`step ${status}`} data-step=${step.name} data-status=${status}>
    <${Icon} of=${isRunning ? "running" : status} label=${isUndone ? "undone" : stateWord(status)} />
    <div>
      <p class="name"><${Text} of=${step.name} /> <span class="dim">${record?.tool ?? step.tool}</span>${step.approval === "required" && html` <span class="dim">asks first</span>`}${step.critical === false && html` <span class="dim">optional</span>`}</p>
      <${Call} step=${step} />
      ${record?.error && status === "failed" && html`<p class="failed"><${Text} of=${record.error.message} /></p>`}
      ${record?.undone && html`<p class="dim">${record.undone.ok ? "Taken back" : "Could not be taken back"}${record.undone.message && html`: <${Text} of=${record.undone.message} />`}</p>`}
    </div>
    <span class="end numbers">${isRunning ? html`<${Running} record=${record} expected=${expected} />` : html`<${Ended} record=${record} isUndone=${isUndone} expected=${expected} />`}</span>
  </li>`;
}

function Running({ record, expected }) {
  const elapsed = Math.max(0, (now.value - Date.parse(record.started_at)) / 1000);
  return html`<span class="in_progress">${whole(elapsed)}</span>${expected?.samples > 0 && html`<br /><span class="dim">of ${range(expected)}</span>`}`;
}

function Ended({ record, isUndone, expected }) {
  if (isUndone) return html`<span class="dim">undone</span>`;
  if (!record?.finished_at) return html`<span class="dim">${record?.status === "skipped" ? "skipped" : expected?.samples > 0 ? range(expected) : ""}</span>`;
  const seconds = (Date.parse(record.finished_at) - Date.parse(record.started_at)) / 1000;
  return html`${duration(seconds)}<br /><span class="dim">${record.exit_code != null && `exit ${record.exit_code}`}${record.attempt > 1 && ` attempt ${record.attempt}`}</span>`;
}

function Call({ step }) {
  const about = TELLING.map((name) => step.params?.[name]).filter((value) => value != null);
  const words = about.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(" ");
  return words && html`<p class="call mono dim"><${Text} of=${words.length > LONGEST_CALL ? `${words.slice(0, LONGEST_CALL)}…` : words} /></p>`;
}
