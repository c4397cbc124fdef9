// The parameters that a step would be called with, to be changed before it is approved: a field each, of its own kind.
import { html } from "./view.js";
import { harmless } from "./harmless.js";

const LONG = 60; // characters: from there on a field of several lines
const kindOf = (value) => (value === null || typeof value === "object" ? "json" : typeof value);

export function ParamsForm({ id, params }) {
  const names = Object.keys(params);
  if (!names.length) return null;
  return html`<fieldset class="params"><legend>Parameters, as you let it run with them</legend>
    ${names.map((name) => html`<label key=${name} class="field"><span class="name mono">${harmless(name)}</span><${Value} name=${`param ${name}`} value=${params[name]} /></label>`)}
  </fieldset>`;
}

function Value({ name, value }) {
  const kind = kindOf(value);
  if (kind === "boolean") return html`<input type="checkbox" name=${name} defaultChecked=${value} />`;
  if (kind === "number") return html`<input type="number" step="any" name=${name} class="mono" defaultValue=${String(value)} />`;
  const text = kind === "json" ? JSON.stringify(value, null, 2) : value;
  const lines = text.split("\n").length;
  if (kind === "string" && lines === 1 && text.length <= LONG) return html`<input name=${name} class="mono" defaultValue=${text} autocomplete="off" spellcheck=${false} />`;
  return html`<textarea name=${name} class="mono" rows=${Math.min(12, Math.max(2, lines))} spellcheck=${false} defaultValue=${text}></textarea>`;
}

// What was changed, as whole parameters; null when nothing was. Throws where a text is no JSON.
export function paramsFrom(form, params) {
  const changed = { ...params };
  let isChanged = false;
  for (const [name, before] of Object.entries(params)) {
    const after = read(form.elements[`param ${name}`], before, name);
    if (JSON.stringify(after) === JSON.stringify(before)) continue;
    changed[name] = after;
    isChanged = true;
  }
  return isChanged ? changed : null;
}

function read(field, before, name) {
  switch (kindOf(before)) {
    case "boolean": return field.checked;
    case "number": return Number(field.value);
    case "string": return field.value.replaceAll("\r\n", "\n");
    default:
      try {
        return JSON.parse(field.value);
      } catch (error) {
        throw Object.assign(new Error(`${name} is not JSON`), { cause: error.message, fix: "write a JSON value, such as [\"a\", \"b\"]" });
      }
  }
}
