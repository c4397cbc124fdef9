// Asks once more before something that cannot be taken back.
import { html } from "./view.js";
import { Dialog } from "./dialog.js";
import { Text } from "./harmless.js";
import { asking } from "./steering.js";

export function Confirm() {
  const { words, label, act } = asking.value;
  const close = () => { asking.value = null; };
  const yes = () => { close(); act(); };
  return html`<${Dialog} title="Are you sure?" onClose=${close} onSubmit=${yes} actions=${html`
    <button type="button" onClick=${close}>No, leave it</button>
    <button type="submit" class="danger" data-first>${label}</button>`}>
    <p><${Text} of=${words} /></p>
  <//>`;
}
