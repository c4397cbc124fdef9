// The page of one task: what it is, how far, who has it, why it waits, what it printed, and what can be done about it.
import { html, useEffect, useMemo } from "./view.js";
import { TaskPage } from "./task_page.js";
import { Text, Block } from "./harmless.js";
import { StatePill } from "./card.js";
import { rowOf, touch } from "./rows.js";
import { Buttons } from "./buttons.js";
import { Facts } from "./facts.js";
import { Steps } from "./steps.js";
import { Output } from "./output.js";
import { Attempts, History } from "./history.js";
import { RequestCard } from "./request_card.js";
import { goBack, named } from "./route.js";
import { Trouble } from "./trouble.js";
import { Icon } from "./icons.js";
import { bindAll } from "./keys.js";
import { sayIfLegal, setPriority } from "./steering.js";
import { isLong, PRIORITIES, plain } from "./words.js";

export function TaskView({ id }) {
  const page = useMemo(() => new TaskPage(id), [id]);
  useEffect(() => page.open(), [page]);
  useEffect(() => { touch(id); }, [id]);
  useEffect(() => bindAll("Task", {
    p: ["pause it", () => sayIfLegal("pause", id)], u: ["resume it", () => sayIfLegal("resume", id)],
    r: ["retry it", () => sayIfLegal("retry", id)], x: ["cancel it", () => sayIfLegal("cancel", id)],
    ...Object.fromEntries(PRIORITIES.map((one, index) => [String(index + 1), [`priority ${one}`, () => setPriority(id, one)]])),
  }), [id]);
  const task = page.task.value;
  useEffect(() => { named.value = task?.title ?? ""; return () => { named.value = ""; }; }, [task?.title]);
  if (!task) return html`<div class="page" tabIndex="0"><${Head} id=${id} />${page.trouble.value && html`<${Trouble} error=${page.trouble.value} />`}</div>`;
  const state = rowOf(id)?.value.state ?? task.status;
  const asked = task.requests?.filter((request) => (request.state ?? "open") === "open") ?? [];
  return html`
    <${Head} id=${id} task=${task}><${StatePill} state=${state} /><${Buttons} page=${page} task=${task} /><//>
    <div class="page" tabIndex="0"><div class="task">
      <div class="story">
        ${asked.map((request) => html`<${RequestCard} key=${request.request_id} request=${request} onDecided=${() => page.readSoon(0)} />`)}
        ${task.error && task.status !== "completed" && html`<${Trouble} error=${task.error} />`}
        ${task.description && task.description !== task.title && html`<section class="panel"><div class="body description long-text" ...${scroller(task.description, "Description")}><${Block} of=${task.description} /></div></section>`}
        ${(task.plan?.steps.length > 0 || task.verify.length > 0) && html`<${Steps} task=${task} eta=${page.eta.value} expected=${page.expected.value} />`}
        <${Output} task=${task} />
        ${task.result != null && html`<${Result} of=${typeof task.result === "string" ? task.result : JSON.stringify(task.result, null, 2)} />`}
      </div>
      <aside class="sides">
        <${Facts} task=${task} state=${state} eta=${page.eta.value} />
        <${Attempts} of=${page.attempts.value} />
        <${History} of=${page.history.value} />
      </aside>
    </div></div>`;
}

const scroller = (text, label) => (isLong(text) ? { tabIndex: 0, role: "group", "aria-label": label } : {});

const Result = ({ of }) => html`<section class="panel"><header><h2>Result</h2></header><pre class="body long" ...${scroller(of, "Result")}><${Block} of=${of} /></pre></section>`;

const Head = ({ id, task, children }) => html`<div class="page-head task-head">
  <button class="plain small" onClick=${goBack} aria-label="Back"><${Icon} of="back" /></button>
  <div class="named"><h1>${task ? html`<${Text} of=${task.title} />` : id}</h1>
    ${task && html`<p class="dim"><span class="mono">${id}</span> · <span class=${task.priority}>${plain(task.priority)}</span>${task.tags.map((tag) => html` <span class="tag" key=${tag}>${tag}</span>`)}</p>`}</div>
  ${children}
</div>`;
