// What went wrong, why, and what to do, where it went wrong.
import { html } from "./view.js";
import { Text } from "./harmless.js";

export const Trouble = ({ error }) => html`<div class="trouble-box" role="alert">
  <p><strong><${Text} of=${error.message} /></strong></p>
  ${error.cause && html`<p><${Text} of=${error.cause} /></p>`}
  ${(error.suggestions || (error.fix ? [error.fix] : [])).map((one) => html`<p>Try: <${Text} of=${one} /></p>`)}
</div>`;
