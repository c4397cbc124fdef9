// What programs print for a terminal, as a terminal shows it: in its colours, and of a line that is written again what it says last.
import { html } from "./view.js";
import { KEPT_IN_BLOCKS, pieces, shown } from "./harmless.js";

const TOKEN = /\x1b\[([0-9;:]*)m|\x1b\[(?:[0-9]*K|\?25[hl])|\r|\n|[^\x1b\r\n]+|\x1b/g;
const ON = { 1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "reverse" };
const OFF = { 22: ["bold", "faint"], 23: ["italic"], 24: ["underline"], 27: ["reverse"] };
const CUBE = [0, 95, 135, 175, 215, 255];

export function Printed({ of }) {
  return runs(String(of ?? "")).map(({ text, style }) => {
    const plain = shown(pieces(text, KEPT_IN_BLOCKS));
    const classes = classesOf(style);
    return classes ? html`<span class=${classes} style=${mixed(style)}>${plain}</span>` : plain;
  });
}

// The text in pieces of one style each: [{text, style}].
export function runs(source) {
  const done = [];
  let line = [], style = {}, isWrittenAgain = false;
  const write = (text) => {
    const last = line.at(-1);
    if (last?.style === style) last.text += text;
    else line.push({ text, style });
  };
  for (const [token, codes] of source.matchAll(TOKEN)) {
    if (codes !== undefined) { style = changed(style, codes.split(/[;:]/).map(Number)); continue; }
    if (token === "\r") { isWrittenAgain = true; continue; }
    if (token.length > 1 && token[0] === "\x1b") continue; // erases, or hides the cursor: nothing to be seen
    if (token === "\n") {
      write(token);
      for (const run of line) done.push(run);
      line = [];
    } else {
      if (isWrittenAgain) line = [];
      write(token);
    }
    isWrittenAgain = false;
  }
  return [...done, ...line].filter(({ text }) => text);
}

function changed(before, codes) {
  let style = { ...before };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    const tens = Math.floor(code / 10), ones = code % 10;
    if (code === 0) style = {};
    else if (ON[code]) style[ON[code]] = true;
    else if (OFF[code]) OFF[code].forEach((name) => { delete style[name]; });
    else if (code === 39) delete style.ink;
    else if (code === 49) delete style.paper;
    else if (code === 38 || code === 48) {
      const isIndex = codes[at + 1] === 5;
      style[code === 38 ? "ink" : "paper"] = isIndex ? indexed(codes[at + 2] ?? 0) : codes.slice(at + 2, at + 5).map((one) => one & 255);
      at += isIndex ? 2 : 4;
    } else if (tens === 3 || tens === 9) style.ink = ones + (tens === 9 ? 8 : 0);
    else if (tens === 4 || tens === 10) style.paper = ones + (tens === 10 ? 8 : 0);
  }
  return style;
}

// One of the 16 colours that have a name, or red, green and blue.
function indexed(index) {
  if (index < 16) return index;
  if (index > 231) return Array(3).fill(8 + 10 * (index - 232));
  return [Math.floor((index - 16) / 36), Math.floor((index - 16) / 6) % 6, (index - 16) % 6].map((level) => CUBE[level]);
}

// Black on a colour is the colour turned round: both stay legible.
function classesOf(style) {
  const isBlackOn = style.ink === 0 && style.paper !== undefined;
  const { ink, paper, ...rest } = isBlackOn ? { ...style, ink: style.paper, paper: undefined, reverse: true } : style;
  const named = [Number.isInteger(ink) && `ink-${ink % 16}`, Number.isInteger(paper) && `paper-${paper % 16}`];
  const all = [...named, Array.isArray(ink) && "ink-mixed", Array.isArray(paper) && "paper-mixed", ...Object.keys(rest)].filter(Boolean);
  return all.length ? `run ${all.join(" ")}` : "";
}

function mixed({ ink, paper }) {
  const style = {};
  if (Array.isArray(ink)) style["--ink-mixed"] = `rgb(${ink.join(" ")})`;
  if (Array.isArray(paper)) style["--paper-mixed"] = `rgb(${paper.join(" ")})`;
  return style;
}
