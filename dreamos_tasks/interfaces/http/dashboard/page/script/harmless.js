// Text that anybody may have written, made visible: control characters, ANSI and right-to-left marks appear as escapes.
import { html } from "./view.js";

const COLOURS = /\x1b\[[0-9;:]*m/g;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u3164\uffa0]/u;
export const KEPT_IN_BLOCKS = new Set(["\n", "\t"]);

function escapeOf(char) {
  const named = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[char];
  if (named) return named;
  const code = char.codePointAt(0);
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

// A list of plain texts and of {escaped}: what stands in the text that nobody would see.
export function pieces(text, kept = new Set()) {
  const source = String(text ?? "");
  if (!HIDDEN.test(source)) return [source];
  const found = [];
  let plain = "";
  for (const char of source) {
    if (kept.has(char) || !HIDDEN.test(char)) { plain += char; continue; }
    if (plain) found.push(plain);
    plain = "";
    found.push({ escaped: escapeOf(char) });
  }
  if (plain) found.push(plain);
  return found;
}

export const harmless = (text) => pieces(text).map((piece) => piece.escaped ?? piece).join("");

export function Text({ of }) {
  const found = pieces(of);
  if (found.length === 1 && typeof found[0] === "string") return found[0];
  return html`<bdi>${shown(found)}</bdi>`;
}

// Several lines, such as output: line ends and tabs stay, colours are left out.
export function Block({ of }) {
  return shown(pieces(String(of ?? "").replace(COLOURS, "").replaceAll("\r\n", "\n"), KEPT_IN_BLOCKS));
}

export function shown(found) {
  return found.map((piece) => (typeof piece === "string" ? piece : html`<span class="escaped">${piece.escaped}</span>`));
}
