// The form that a message is written in: to an agent, under the name of the person who is signed in.
import { html, signal, useSignal } from "./view.js";
import { post } from "./api.js";
import { Dialog } from "./dialog.js";
import { tell } from "./notices.js";
import { Trouble } from "./trouble.js";

export const composing = signal(null); // {to, subject}: what is filled in already

export function Compose({ you, names, onSent }) {
  const { to, subject } = composing.value;
  const trouble = useSignal(null);
  const close = () => { composing.value = null; };
  const send = async (event) => {
    const given = Object.fromEntries(new FormData(event.target));
    const draft = { to_agent_id: given.to.trim(), from_agent_id: you, subject: given.subject.trim(), body: given.body.replaceAll("\r\n", "\n"), requires_ack: Boolean(given.ack) };
    try {
      await post("/mail", draft);
      tell(`Sent to ${draft.to_agent_id}`);
      close();
      onSent();
    } catch (error) {
      trouble.value = error;
    }
  };
  return html`<${Dialog} title="Write a message" onClose=${close} onSubmit=${send} actions=${html`
    <button type="button" onClick=${close}>Cancel</button><button type="submit" class="primary">Send</button>`}>
    <div class="fields">
      ${trouble.value && html`<${Trouble} error=${trouble.value} />`}
      <p class="dim">From ${you}</p>
      <label><span class="name">To</span><input name="to" required maxlength="100" list="mailboxes" autocomplete="off" defaultValue=${to ?? ""} data-first=${to ? null : true} /></label>
      <datalist id="mailboxes">${names.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
      <label><span class="name">Subject</span><input name="subject" required maxlength="256" autocomplete="off" defaultValue=${subject ?? ""} data-first=${to && !subject ? true : null} /></label>
      <label><span class="name">Text</span><textarea name="body" rows="7" data-first=${subject ? true : null}></textarea></label>
      <label><input type="checkbox" name="ack" /> Ask for an acknowledgement</label>
    </div>
  <//>`;
}
