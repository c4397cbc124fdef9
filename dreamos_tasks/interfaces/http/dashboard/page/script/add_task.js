// The form that adds a task: a title is enough.
import { html, useSignal } from "./view.js";
import { post } from "./api.js";
import { Dialog } from "./dialog.js";
import { tell } from "./notices.js";
import { touch } from "./rows.js";
import { isAdding } from "./steering.js";
import { Trouble } from "./trouble.js";
import { PRIORITIES, plain } from "./words.js";

// What the form calls the fields of a task.
const LABELS = { title: "Title", description: "Description", run: "Commands", plan: "Commands", priority: "Priority", tags: "Tags", depends_on: "After (ids)", assigned_to: "Only for agent" };
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function draftFrom(form) {
  const given = Object.fromEntries(new FormData(form));
  const draft = { title: given.title.trim(), priority: given.priority };
  const commands = given.run.split("\n").map((line) => line.trim()).filter(Boolean);
  if (given.description.trim()) draft.description = given.description;
  if (given.tags.trim()) draft.tags = words(given.tags).map((tag) => tag.replace(/^#/, ""));
  if (given.depends_on.trim()) draft.depends_on = words(given.depends_on);
  if (given.assigned_to.trim()) draft.assigned_to = given.assigned_to.trim();
  if (commands.length) draft.run = commands.length === 1 ? commands[0] : commands;
  return draft;
}

// A refusal in the form's words: it names places in the task that was sent, which nobody here has written.
function inTheForm(refused) {
  const [first, ...others] = (refused.errors || []).map(({ pointer, message, ...more }) => {
    const label = LABELS[pointer.split("/")[1]];
    return { ...more, message: label ? `${label}: ${message}` : message };
  });
  if (!first) return refused;
  return { message: first.message, cause: [first.expected, ...others.map((one) => one.message)].filter(Boolean).join("\n"), fix: first.fix };
}

export function AddTask() {
  const trouble = useSignal(null);
  const close = () => { isAdding.value = false; };
  const add = async (event) => {
    try {
      const task = await post("/tasks", draftFrom(event.target));
      touch(task.task_id);
      tell(`Added ${task.task_id}`);
      close();
    } catch (error) {
      trouble.value = inTheForm(error);
    }
  };
  return html`<${Dialog} title="Add a task" onClose=${close} onSubmit=${add} actions=${html`
    <button type="button" onClick=${close}>Cancel</button><button type="submit" class="primary">Add task</button>`}>
    <div class="fields">
      ${trouble.value && html`<${Trouble} error=${trouble.value} />`}
      <label><span class="name">Title</span><input name="title" required maxlength="500" data-first autocomplete="off" placeholder="Fix the parser" /></label>
      <label><span class="name">Description</span><textarea name="description" rows="3"></textarea></label>
      <label><span class="name">Commands, one step a line; without any it is left to agents</span>
        <textarea name="run" rows="2" class="mono" spellcheck=${false} placeholder="make test"></textarea></label>
      <div class="fields two">
        <label><span class="name">Priority</span><select name="priority" value="medium">${PRIORITIES.map((one) => html`<option value=${one} selected=${one === "medium"}>${plain(one)}</option>`)}</select></label>
        <label><span class="name">Tags</span><input name="tags" autocomplete="off" placeholder="core parser" /></label>
        <label><span class="name">After (ids)</span><input name="depends_on" class="mono" autocomplete="off" placeholder="dt-1a2b" /></label>
        <label><span class="name">Only for agent</span><input name="assigned_to" autocomplete="off" /></label>
      </div>
    </div>
  <//>`;
}
