// The daemon itself: how full it is, whether it is in trouble, and when its monitor looked last.
import { html } from "./view.js";
import { get } from "./api.js";
import { Text } from "./harmless.js";
import { usePolled } from "./polled.js";
import { ago, clock, now } from "./times.js";
import { count } from "./words.js";

const EVERY_MS = 5000;

export function Daemon() {
  const { form } = usePolled(() => get("/status"), EVERY_MS);
  const report = form?.daemon;
  if (!report) return html`<section class="panel"><header><h2>Daemon</h2></header><p class="body dim">…</p></section>`;
  const { monitor } = report;
  return html`<section class="panel"><header><h2>Daemon</h2>${report.draining && html`<span class="pill paused">draining</span>`}</header><div class="body">
    ${report.trouble.map((words) => html`<p class="trouble-box" key=${words}><${Text} of=${words} /></p>`)}
    <dl class="facts numbers">
      <div><dt>Places taken</dt><dd>${report.running.length} of ${report.capacity}<span class="bar" aria-hidden="true"><i style=${{ transform: `scaleX(${report.capacity ? report.running.length / report.capacity : 0})` }}></i></span></dd></div>
      ${report.pressure && html`<div><dt>Under pressure</dt><dd class="stalled"><${Text} of=${report.pressure} /></dd></div>`}
      <div><dt>Monitor looked</dt><dd>${monitor.last_check_at ? html`${ago(monitor.last_check_at, now.value)} <span class="dim">next ${ago(monitor.next_check_at, now.value)}</span>` : "not yet"}
        ${monitor.stalled > 0 && html`<p class="stalled">${count(monitor.stalled, "task")} wait too long</p>`}${monitor.error && html`<p class="failed"><${Text} of=${monitor.error} /></p>`}</dd></div>
      <div><dt>Runs since</dt><dd>${clock(report.started_at)} <span class="dim">pid ${report.pid}, version ${report.version}</span></dd></div>
      <div><dt>Inbox</dt><dd><code><${Text} of=${report.inbox} /></code></dd></div>
    </dl></div></section>`;
}
