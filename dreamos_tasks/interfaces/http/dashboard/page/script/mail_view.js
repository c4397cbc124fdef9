// Mail: what agents write to one another, and what a person writes to them. Looking into another's mailbox marks nothing as read.
import { html, signal, useEffect } from "./view.js";
import { get, post } from "./api.js";
import { Block, Text } from "./harmless.js";
import { bindAll } from "./keys.js";
import { Compose, composing } from "./compose.js";
import { attempt } from "./notices.js";
import { usePolled } from "./polled.js";
import { Icon } from "./icons.js";
import { mailHref, route, setQuery, taskHref } from "./route.js";
import { ago, clock, now } from "./times.js";
import { Trouble } from "./trouble.js";
import { count, plain } from "./words.js";

const EVERY_MS = 5000, SHOWN = 100;
const boxes = signal(null); // {you, mailboxes}: kept from one mailbox to the next
const readBoxes = async () => { boxes.value = await get("/mail"); };

export function MailView({ id }) {
  const { trouble, again } = usePolled(readBoxes, EVERY_MS);
  const you = boxes.value?.you;
  const name = id || you;
  useEffect(() => bindAll("Mail", { c: ["write a message", () => { composing.value = { to: id }; }] }), [id]);
  const others = (boxes.value?.mailboxes ?? []).filter((box) => box.agent_id !== you);
  const own = boxes.value?.mailboxes.find((box) => box.agent_id === you) ?? { agent_id: you, messages: 0, unread: 0 };
  return html`<div class="page-head"><h1>Mail</h1><button class="primary" onClick=${() => { composing.value = { to: id }; }}><${Icon} of="plus" size=${14} /> Write</button></div>
    <div class="page mail" tabIndex="0">
      ${trouble && html`<${Trouble} error=${trouble} />`}
      ${you && html`<nav class="boxes" aria-label="Mailboxes"><ul>
        ${[own, ...others].map((box) => html`<li key=${box.agent_id}><a href=${mailHref(box.agent_id)} aria-current=${box.agent_id === name ? "page" : null}>
          <span class="label"><${Text} of=${box.agent_id} />${box.agent_id === you && html` <span class="dim">(you)</span>`}</span>
          ${box.unread > 0 && html`<span class="count" aria-label=${`${box.unread} unread`}>${box.unread}</span>`}</a></li>`)}</ul></nav>
      <${Mailbox} key=${name} name=${name} isOwn=${name === you} onChange=${again} />`}
    </div>
    ${composing.value && html`<${Compose} you=${you} names=${others.map((box) => box.agent_id)} onSent=${again} />`}`;
}

function Mailbox({ name, isOwn, onChange }) {
  const isSent = route.value.query.get("sent") === "1";
  const path = `/mail/${encodeURIComponent(name)}`;
  const { form, trouble, again } = usePolled(() => get(path, isSent ? { sent: true } : {}), EVERY_MS, `${name} ${isSent}`);
  const say = (message, verb) => attempt(() => post(`${path}/${message.message_id}/${verb}`), `${message.subject}: ${verb === "read" ? "read" : "acknowledged"}`).then(() => { again(); onChange(); });
  const messages = [...(form ?? [])].reverse();
  return html`<section class="letters" aria-label=${`Mail of ${name}`}>
    <div class="buttons" role="group" aria-label="Which messages">${[["", "Received"], ["1", "Sent"]].map(([sent, label]) => html`<button key=${label} class="small" aria-pressed=${String(isSent === Boolean(sent))} onClick=${() => setQuery({ sent })}>${label}</button>`)}
      ${!isOwn && !isSent && html`<span class="dim">Looking does not count as reading</span>`}</div>
    ${trouble && html`<${Trouble} error=${trouble} />`}
    ${messages.slice(0, SHOWN).map((message) => html`<${Letter} key=${message.message_id} message=${message} isSent=${isSent} say=${isOwn && !isSent && say} />`)}
    ${messages.length > SHOWN && html`<p class="dim">and ${count(messages.length - SHOWN, "older message")}: <code>dt mail list --agent ${name}</code></p>`}
    ${form && !form.length && html`<p class="empty"><strong>${isSent ? "Nothing was sent" : "There is no message"}</strong><code>dt mail send ${isOwn ? "ada" : name} --agent bob --subject "..."</code> writes one, and so does the button above.</p>`}
  </section>`;
}

function Letter({ message, isSent, say }) {
  const isUnread = !message.read_at;
  const other = isSent ? message.to_agent_id : message.from_agent_id;
  const asks = message.requires_ack && !message.acknowledged_at;
  return html`<article class=${`panel mail-letter ${isUnread ? "unread" : ""}`} data-message=${message.message_id}>
    <header><h2><${Text} of=${message.subject} /></h2>
      ${message.priority !== "medium" && html`<span class=${`pill ${message.priority}`}>${plain(message.priority)}</span>`}
      ${isUnread && html`<span class="pill ready">Unread</span>`}${asks && html`<span class="pill awaiting_approval">Asks for an acknowledgement</span>`}
      ${message.acknowledged_at && html`<span class="pill completed">Acknowledged</span>`}</header>
    <div class="body">
      <p class="dim numbers">${isSent ? "to" : "from"} <a href=${mailHref(other)}><${Text} of=${other} /></a> · <time datetime=${message.timestamp_created}>${clock(message.timestamp_created)} (${ago(message.timestamp_created, now.value)})</time>${message.tags.map((tag) => html` <span class="tag" key=${tag}>${tag}</span>`)}
        ${message.task_id && html` · <a href=${taskHref(message.task_id)}>task <span class="mono">${message.task_id}</span></a>`}</p>
      <${Content} message=${message} />
      ${say && html`<div class="buttons">
        ${isUnread && html`<button class="small" onClick=${() => say(message, "read")}>Mark as read</button>`}
        ${asks && html`<button class="small primary" onClick=${() => say(message, "acknowledge")}>Acknowledge</button>`}
        <button class="small" onClick=${() => { composing.value = { to: other, subject: `Re: ${message.subject.replace(/^Re: /, "")}` }; }}>Answer</button></div>`}
    </div></article>`;
}

// Text as it was written; a task or any other JSON as JSON.
function Content({ message }) {
  const isText = message.body_type.startsWith("text/");
  const text = isText ? message.body : JSON.stringify(readable(message.body), null, 2);
  if (!text) return null;
  return html`<pre class=${isText ? "content" : "content mono"} tabIndex="0" aria-label="What it says"><${Block} of=${text} /></pre>`;
}

function readable(body) {
  try {
    return typeof body === "string" ? JSON.parse(body) : body;
  } catch {
    return body;
  }
}
