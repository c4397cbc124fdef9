// What the steps of a task print: one step at a time, its end in sight and following while it runs.
import { html, useEffect, useLayoutEffect, useRef, useSignal } from "./view.js";
import { get, taskPath } from "./api.js";
import { Printed } from "./ansi.js";

const FOLLOW_MS = 700, FIRST_BYTES = 65_536;
const KEPT = 200_000; // characters: dt logs shows all
const AT_END = 24; // pixels from the end that still count as being there

export function Output({ task }) {
  const printed = task.steps.filter((record) => record.output_bytes || record.output_head || record.status === "running");
  const latest = [...printed].reverse().find((record) => record.status === "running") ?? printed.at(-1);
  const chosen = useSignal("");
  const step = printed.some((record) => record.name === chosen.value) ? chosen.value : latest?.name;
  const record = printed.find((one) => one.name === step);
  const isRunning = Boolean(task.claim) && record?.status === "running";
  const { text, isCut } = useTail(task.task_id, step, isRunning, `${record?.token} ${record?.attempt} ${record?.status}`);
  const place = useRef(null);
  const follows = useSignal(true);
  useLayoutEffect(() => { if (follows.value && place.current) place.current.scrollTop = place.current.scrollHeight; }, [text]);
  if (!record) return null;
  const onScroll = () => { const at = place.current; follows.value = at.scrollHeight - at.scrollTop - at.clientHeight < AT_END; };
  return html`<section class="panel output"><header><h2>Output</h2>
    ${isRunning && html`<span class="dim">${follows.value ? "following" : html`<button class="small" onClick=${() => { follows.value = true; place.current.scrollTop = place.current.scrollHeight; }}>Follow</button>`}</span>`}
    ${printed.length > 1 ? html`<select aria-label="Step" value=${step} onChange=${(event) => { chosen.value = event.target.value; }}>${printed.map((one) => html`<option key=${one.name} value=${one.name} selected=${one.name === step}>${one.name}</option>`)}</select>` : html`<span class="dim">${step}</span>`}
  </header>
  <pre ref=${place} class="tail" tabIndex="0" aria-label=${`Output of ${step}`} onScroll=${onScroll}>${isCut && html`<span class="dim">(the beginning is left out)\n</span>`}${text ? html`<${Printed} of=${text} />` : html`<span class="dim">Nothing printed yet</span>`}</pre></section>`;
}

const wholeLines = (text) => text.slice(text.indexOf("\n") + 1); // of a line that is cut, no half of a colour's sequence is left

// The end of what a step printed, and what it goes on to print.
function useTail(id, step, isRunning, run) {
  const text = useSignal("");
  const isCut = useSignal(false);
  useEffect(() => {
    if (!step) return undefined;
    const gone = new AbortController();
    let offset = null, timer = 0;
    text.value = "";
    const read = async () => {
      try {
        const from = offset === null ? { tail_bytes: FIRST_BYTES } : { offset };
        const [part] = await get(`${taskPath(id)}/logs`, { step, ...from }, { signal: gone.signal });
        if (part && offset === null) isCut.value = part.offset > 0;
        const isBeginning = offset === null && isCut.value;
        if (part) offset = part.next_offset;
        if (part?.output) {
          const all = text.value + part.output;
          if (all.length > KEPT) isCut.value = true;
          text.value = all.length > KEPT || isBeginning ? wholeLines(all.slice(-KEPT)) : all;
        }
      } catch (error) {
        if (error.name === "AbortError") return;
      }
      if (isRunning) timer = setTimeout(read, FOLLOW_MS);
    };
    read();
    return () => { gone.abort(); clearTimeout(timer); };
  }, [id, step, isRunning, run]);
  return { text: text.value, isCut: isCut.value };
}
