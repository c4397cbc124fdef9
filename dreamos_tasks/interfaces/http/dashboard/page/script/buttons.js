// The buttons of a task: those verbs that are legal now, and no others.
import { html } from "./view.js";
import { asking, say, setPriority } from "./steering.js";
import { PRIORITIES, plain, VERB_WORDS } from "./words.js";

const CLASSES = { cancel: "danger", retry: "primary", resume: "primary" };

export function Buttons({ page, task }) {
  const press = async (verb) => {
    if (verb === "cancel") {
      asking.value = { words: `Cancel ${task.task_id}: ${task.title}? It ends for good, and so does what runs of it.`, label: "Cancel task", act: () => say(verb, task.task_id) };
    } else {
      await say(verb, task.task_id);
    }
    page.readSoon(0);
  };
  const legal = page.choices.value;
  return html`<div class="buttons" role="group" aria-label="What can be done now">
    ${legal.includes("edit") && html`<select class="small" aria-label="Priority" value=${task.priority} onChange=${(event) => setPriority(task.task_id, event.target.value)}>
      ${PRIORITIES.map((one) => html`<option key=${one} value=${one}>${plain(one)}</option>`)}</select>`}
    ${legal.filter((verb) => VERB_WORDS[verb]).map((verb) => html`<button key=${verb} data-verb=${verb} class=${CLASSES[verb] || ""} onClick=${() => press(verb)}>${VERB_WORDS[verb]}</button>`)}
  </div>`;
}
