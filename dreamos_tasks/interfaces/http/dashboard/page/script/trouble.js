// What went wrong, why, and what to do, where it went wrong.
import { html } from "./view.js";
import { Text } from "./harmless.js";
import { isLong } from "./words.js";

export const Trouble = ({ error }) => html`<div class="trouble-box" role="alert">
  <p><strong><${Text} of=${error.message} /></strong></p>
  ${error.cause && html`<p class="cause" ...${isLong(error.cause) ? { tabIndex: 0 } : {}}><${Text} of=${error.cause} /></p>`}
  ${(error.suggestions || (error.fix ? [error.fix] : [])).map((one) => html`<p>Try: <${Text} of=${one} /></p>`)}
</div>`;
