// Where it begins: draws the shell, loads the board, follows it, and tries again while there is no daemon.
import { effect, html, render } from "./view.js";
import { fetchLater, Shell } from "./shell.js";
import { isSignedOut } from "./api.js";
import { isLoaded, start } from "./rows.js";
import { watchRequests } from "./requests.js";
import { watchIncidents } from "./incident_watch.js";
import "./theme.js";

const AGAIN_MS = 1500, CALM_MS = 1000;

async function begin() {
  try {
    await start();
  } catch (error) {
    if (!isSignedOut.value) setTimeout(begin, AGAIN_MS);
    if (error instanceof TypeError) throw error; // a fault of this page
  }
}

render(html`<${Shell} />`, document.getElementById("app"));
effect(() => {
  if (!isLoaded.value) return;
  performance.mark("board");
  setTimeout(fetchLater, CALM_MS);
});
begin();
watchRequests();
watchIncidents();
