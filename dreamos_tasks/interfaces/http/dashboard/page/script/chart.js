// A chart over time that is redrawn, not rebuilt, when there is more to show. Its numbers can be read as a table too.
import { html, useEffect, useRef } from "./view.js";
import uPlot from "../../vendor/uplot.js";
import { isDark } from "./theme.js";

const HEIGHT = 150;
const twoDigits = (number) => String(number).padStart(2, "0");
const timeOf = (at) => { const day = new Date(at * 1000); return `${twoDigits(day.getHours())}:${twoDigits(day.getMinutes())}`; };
const resolved = (name, element) => {
  const probe = element.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
};

// `lines`: [{label, colour, values, kind?: "bars", total?}], `at` in seconds; `most`: where the axis ends.
export function Chart({ title, at, lines, most, words = (value) => value.toLocaleString() }) {
  const place = useRef(null);
  const drawn = useRef(null);
  const dark = isDark.value;
  const shape = lines.map((line) => line.label).join();
  useEffect(() => {
    const element = place.current;
    drawn.current = new uPlot(options(element, lines, words, most), [at, ...lines.map((line) => line.values)], element);
    const watch = new ResizeObserver(() => drawn.current.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => { watch.disconnect(); drawn.current.destroy(); };
  }, [dark, shape]);
  useEffect(() => { drawn.current?.setData([at, ...lines.map((line) => line.values)]); }, [at]);
  return html`<figure class="panel chart" aria-label=${`${title}: ${lines.map((line) => `${line.label} ${latest(line, words)}`).join(", ")}`}>
    <figcaption><h2>${title}</h2>${lines.map((line) => html`<span key=${line.label} class="key"><i class=${`swatch ${line.colour}`}></i>${line.label} <strong class="numbers">${latest(line, words)}</strong></span>`)}</figcaption>
    <div class="drawing" ref=${place} aria-hidden="true"></div>
  </figure>`;
}

function latest(line, words) {
  const value = line.total ?? [...line.values].reverse().find((one) => one !== null);
  return value === undefined || value === null ? "–" : words(value);
}

function options(element, lines, words, most) {
  const [ink, grid] = [resolved("ink-dim", element), resolved("line", element)];
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width: element.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { y: false, points: { size: 6 } }, padding: [8, 8, 0, 0],
    scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, most ?? (high > 0 ? high * 1.1 : 1)] } },
    axes: [{ ...axis, size: 26, space: 70, values: (_plot, ticks) => ticks.map(timeOf) }, { ...axis, size: 52, space: 32, values: (_plot, ticks) => ticks.map((tick) => words(tick)) }],
    series: [{}, ...lines.map((line) => seriesOf(line, resolved(line.colour, element)))],
  };
}

function seriesOf(line, colour) {
  const faint = colour.replace(/^rgb\((.*)\)$/, "rgb($1 / 0.15)").replaceAll(",", " ");
  const bars = line.kind === "bars";
  return { label: line.label, stroke: colour, fill: bars ? colour : faint, width: bars ? 0 : 1.5, points: { show: line.values.includes(null) && !bars, size: 4, fill: colour }, spanGaps: true, ...(bars ? { paths: uPlot.paths.bars({ size: [0.7, 24] }) } : {}) };
}
