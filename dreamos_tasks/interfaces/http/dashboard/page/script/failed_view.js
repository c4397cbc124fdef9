// Dead letters: what failed for good, why, and what may help; to be tried again one by one or together.
import { html } from "./view.js";
import { post, taskPath } from "./api.js";
import { Text } from "./harmless.js";
import { ago, now } from "./times.js";
import { idsOf, isLoaded, loadMore, rowOf, states, touch } from "./rows.js";
import { shownIds } from "./queue.js";
import { filter, Filters } from "./filters.js";
import { taskHref } from "./route.js";
import { asking, say } from "./steering.js";
import { doForAll } from "./many.js";
import { count } from "./words.js";

const SHOWN = 200;

export function FailedView() {
  const ids = shownIds.failed.value;
  const shown = ids.slice(0, SHOWN);
  const all = Math.max(states.failed.count.value, idsOf("failed").size);
  const retryAll = () => { asking.value = { words: `Queue ${count(ids.length, "failed task")} again? Steps that are done stay done.`, label: "Retry them", act: () => retry(ids) }; };
  return html`<div class="page-head"><h1>Dead letters</h1><${Filters} />
      ${ids.length > 1 && html`<button onClick=${retryAll}>Retry ${ids.length === all ? "all" : "these"} ${ids.length.toLocaleString()}</button>`}</div>
    <div class="page" tabIndex="0"><div class="inner dead">
      ${shown.map((id) => html`<${Letter} key=${id} id=${id} />`)}
      ${ids.length > SHOWN && html`<p class="dim">and ${count(ids.length - SHOWN, "more task")}: a filter finds them</p>`}
      ${states.failed.next.value && html`<button onClick=${() => loadMore("failed")}>Load older ones</button>`}
      ${isLoaded.value && !ids.length && (filter.value.isSet ? html`<p class="empty"><strong>Nothing fits the filter</strong></p>` : html`<p class="empty"><strong>Nothing has failed for good</strong>What is tried again by itself is on the board.</p>`)}
    </div></div>`;
}

function Letter({ id }) {
  const row = rowOf(id)?.value;
  if (!row) return null;
  return html`<article class="panel letter" data-id=${id}>
    <div class="what"><h2><a href=${taskHref(id)}><${Text} of=${row.title} /></a></h2>
      ${row.error && html`<p class="failed"><${Text} of=${row.error.message} /></p>`}
      <p class="dim numbers"><span class="mono">${id}</span>${row.error && html` · ${row.error.category}${row.error.step && html` in step <${Text} of=${row.error.step} />`}`} · ${count(row.attempt ?? 0, "attempt")} · ${ago(row.finished_at, now.value)}</p></div>
    <button onClick=${() => say("retry", id)}>Retry</button>
  </article>`;
}

const retry = (ids) => doForAll(ids, (id) => post(`${taskPath(id)}/retry`).finally(() => touch(id)), (done) => `${count(done, "task")} queued again`);
