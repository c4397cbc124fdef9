// What somebody should look into: asked for every so often, for its view and for the number beside the view's name.
import { computed, effect, signal } from "./view.js";
import { get } from "./api.js";
import { connection } from "./live.js";

const EVERY_MS = 5000;
export const incidents = signal(null); // the most severe first; null until they were read
export const incidentTrouble = signal(null);
export const unheeded = computed(() => (incidents.value ?? []).filter((incident) => incident.state === "open").length);

export async function readIncidents() {
  try {
    incidents.value = await get("/incidents");
    incidentTrouble.value = null;
  } catch (error) {
    if (error.status) incidentTrouble.value = error;
  }
}

export function watchIncidents() {
  effect(() => { if (connection.value.state === "live") readIncidents(); });
  setInterval(() => { if (!document.hidden && connection.value.state === "live") readIncidents(); }, EVERY_MS);
}
