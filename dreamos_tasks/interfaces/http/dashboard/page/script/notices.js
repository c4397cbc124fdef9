// What a person is told in passing: that something was done, or why it was refused. Read out by screen readers.
import { html, signal } from "./view.js";
import { Text } from "./harmless.js";

const SHOWN_MS = 6000, TROUBLE_SHOWN_MS = 12_000;
const notices = signal([]);
let number = 0;

export function tell(words, { cause = "", fix = "", isTrouble = false } = {}) {
  const notice = { number: (number += 1), words, cause, fix, isTrouble };
  notices.value = [...notices.value.slice(-3), notice];
  setTimeout(() => dismiss(notice), isTrouble ? TROUBLE_SHOWN_MS : SHOWN_MS);
}

export const tellTrouble = (error) => tell(error.message, { cause: error.cause, fix: error.fix, isTrouble: true });

// Do it, and say what came of it. Gives whether it was done.
export async function attempt(act, words) {
  try {
    const given = await act();
    if (words) tell(typeof words === "function" ? words(given) : words);
    return true;
  } catch (error) {
    tellTrouble(error);
    return false;
  }
}

const dismiss = (notice) => { notices.value = notices.value.filter((one) => one !== notice); };

export function Notices() {
  return html`<div class="notices" role="status" aria-live="polite">
    ${notices.value.map((notice) => html`
      <div key=${notice.number} class=${`notice ${notice.isTrouble ? "trouble" : ""}`}>
        <button class="plain small" aria-label="Dismiss" onClick=${() => dismiss(notice)}>×</button>
        <p><${Text} of=${notice.words} /></p>
        ${notice.cause && html`<p><${Text} of=${notice.cause} /></p>`}
        ${notice.fix && html`<p>Try: <${Text} of=${notice.fix} /></p>`}
      </div>`)}
  </div>`;
}
