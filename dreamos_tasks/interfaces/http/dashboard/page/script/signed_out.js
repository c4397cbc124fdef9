// Shown when the daemon does not know this browser: how to sign in.
import { html } from "./view.js";

export const SignedOut = () => html`<main class="signed-out panel">
  <h1>You are not signed in</h1>
  <p class="dim">The dashboard is opened by a link that signs this browser in. It works once; this prints a fresh one:</p>
  <pre><code>dt dashboard</code></pre>
  <p class="dim">Nothing leaves this machine: the link is only good for the daemon that made it.</p>
</main>`;
