// What went wrong, why, and what to do, where it went wrong.
import { html } from "./view.js";
import { Block, Text } from "./harmless.js";
import { isLong } from "./words.js";

export const Trouble = ({ error }) => html`<div class="trouble-box" role="alert">
  <p><strong><${Text} of=${error.message} /></strong></p>
  ${error.cause && html`<p class="cause" ...${isLong(error.cause) ? { tabIndex: 0 } : {}}><bdi><${Block} of=${error.cause} /></bdi></p>`}
  ${(error.suggestions || (error.fix ? [error.fix] : [])).map((one) => html`<p>Try: <${Text} of=${one} /></p>`)}
</div>`;
