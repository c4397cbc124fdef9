// Small drawings. A state has a shape of its own, so that nobody needs its colour to tell it.
import { html } from "./view.js";
import { STATE_WORDS } from "./words.js";

const SHAPES = {
  scheduled: "M8 4.5V8l2.3 1.6M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  blocked: "M4 4l8 8M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  ready: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  pending: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  stalled: "M8 5v3.6M8 11v.2M8 1.8 14.6 13.5H1.4Z",
  in_progress: "M8 2a6 6 0 1 1-6 6M8 5v3l2 2",
  running: "M8 2a6 6 0 1 1-6 6",
  awaiting_approval: "M6.2 6.2a1.9 1.9 0 1 1 2.7 1.8c-.6.3-.9.7-.9 1.3M8 11.4v.1M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  paused: "M6.3 5.7v4.6M9.7 5.7v4.6M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  failed: "M5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  completed: "M5.3 8.2l1.9 1.9 3.5-3.9M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  cancelled: "M5.5 8h5M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  skipped: "M4 4.5 8 8l-4 3.5M9 4.5 13 8l-4 3.5",
  board: "M2.5 3h3v10h-3zM6.8 3h3v6.5h-3zM11 3h2.5v8H11z",
  approvals: "M8 1.8 13 4v4c0 3-2.1 5.2-5 6.2C5.100 13.200 3 11 3 8V4ZM5.800 8l1.600 1.600 2.900-3.200",
  agents: "M8 7.200A2.600 2.600 0 1 0 8 2a2.600 2.600 0 0 0 0 5.200ZM2.800 13.800c.4-2.800 2.500-4.300 5.200-4.300s4.800 1.500 5.200 4.300",
  health: "M1.500 8.500h3l1.700-5 3.200 9 1.800-4h3.300",
  episodes: "M3.500 14V2.500h9l-2 3 2 3h-9",
  incidents: "M4 11V7.200a4 4 0 0 1 8 0V11l1.200 1.300H2.800ZM6.700 14.200h2.600",
  mail: "M2 3.800h12v8.700H2zM2.300 4.300 8 8.800l5.700-4.500",
  plus: "M8 3v10M3 8h10",
  moon: "M13.200 9.800A5.800 5.800 0 0 1 6.200 2.800 5.800 5.800 0 1 0 13.200 9.800Z",
  keys: "M2 4.500h12v7H2zM4.500 7h.1M7 7h.1M9.500 7h.1M12 7h-.1M5 9.500h6",
  back: "M9.500 3.500 5 8l4.500 4.500",
  bell: "M4 11V7.200a4 4 0 0 1 8 0V11l1.200 1.300H2.800ZM6.700 14.200h2.600",
};

export function Icon({ of, size = 16, label }) {
  const named = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return html`<svg ...${named} class=${of in STATE_WORDS ? `icon ${of}` : "icon"} width=${size} height=${size} viewBox="0 0 16 16" fill="none"
    stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"><path d=${SHAPES[of] || SHAPES.pending} /></svg>`;
}
