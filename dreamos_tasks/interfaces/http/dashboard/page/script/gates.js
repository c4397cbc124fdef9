// What steps share: circuit breakers, rates, and how many may be in at once.
import { html } from "./view.js";
import { get } from "./api.js";
import { Text } from "./harmless.js";
import { usePolled } from "./polled.js";
import { countdown } from "./times.js";
import { taskHref } from "./route.js";

const EVERY_MS = 5000;
const WORDS = { open: "Left alone", half_open: "Being tried", closed: "Fine" };
const TONES = { open: "failed", half_open: "stalled", closed: "completed" };

export function Gates() {
  const { form } = usePolled(() => get("/gates"), EVERY_MS);
  const gates = form ?? [];
  return html`<section class="panel"><header><h2>Breakers and limits</h2></header><div class="body">
    ${!form ? html`<p class="dim">…</p>` : !gates.length ? html`<p class="dim">No tool or host is held back</p>` : html`<table class="table"><thead><tr><th>Tool or host</th><th>Breaker</th><th>In use</th><th>This minute</th><th>Waiting</th></tr></thead>
      <tbody>${gates.map((gate) => html`<tr key=${gate.key}><td class="mono"><${Text} of=${gate.key} /></td>
        <td><span class=${TONES[gate.breaker] ?? ""}>${WORDS[gate.breaker] ?? gate.breaker ?? "Fine"}</span>${gate.open_until && gate.breaker === "open" && html` <span class="dim numbers">${countdown(gate.open_until)}</span>`}
          ${gate.reason && html`<p class="dim"><${Text} of=${gate.reason} /></p>`}${gate.probe && html`<a href=${taskHref(gate.probe)} class="mono">${gate.probe}</a>`}</td>
        <td class="numbers">${gate.in_use?.length ?? 0}${gate.most ? ` of ${gate.most}` : ""}</td>
        <td class="numbers">${gate.started ?? 0}${gate.per_minute ? ` of ${gate.per_minute}` : ""}</td><td class="numbers">${gate.waiting ?? 0}</td></tr>`)}</tbody></table>`}
  </div></section>`;
}
