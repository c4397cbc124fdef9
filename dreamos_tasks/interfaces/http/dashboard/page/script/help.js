// The list of keys.
import { html } from "./view.js";
import { Dialog } from "./dialog.js";
import { boundKeys, isHelpOpen } from "./keys.js";

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

export const Help = () => html`<${Dialog} title="Keys" onClose=${() => { isHelpOpen.value = false; }}>
  <div class="keys">${[...boundKeys()].map(([group, entries]) => html`<section key=${group}>
    <h2>${group}</h2>
    <dl>${byWords(entries).map(([words, keys]) => html`<div key=${words}>
      <dt>${keys.map((one, index) => html`${index ? " or " : ""}${one.split(" ").map((key) => html`<kbd>${NAMES[key] || key}</kbd>`)}`)}</dt>
      <dd>${words}</dd></div>`)}</dl>
  </section>`)}
  <section><h2>On a card</h2><dl><div><dt><kbd>Enter</kbd></dt><dd>open it</dd></div></dl></section></div>
<//>`;

function byWords(entries) {
  const lines = new Map();
  for (const { keys, words } of entries) lines.set(words, [...(lines.get(words) || []), keys]);
  return [...lines];
}
