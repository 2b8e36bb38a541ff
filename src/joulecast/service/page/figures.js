/** Small figures that stand in the text: a range on its axis, a whole split into its parts. */

import { el, fill, svg } from "./dom.js";
import { logarithmic, straight, thinned, wide } from "./scales.js";

/** @typedef {{value: number, low: number, high: number}} Range */

/**
 * A block that draws itself anew whenever its width changes.
 * @param {(width: number) => Node} draw
 * @param {string} [className]
 * @returns {HTMLElement}
 */
export function responsive(draw, className = "drawn") {
  const block = el("div", { class: className });
  let last = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width < 40 || width === last) return;
    last = width;
    fill(block, /** @type {any} */ (draw(width)));
  }).observe(block);
  return block;
}

/**
 * A range with its expected value on an axis with ticks; `text` says a tick, `said` the whole.
 * @param {Range} range
 * @param {(value: number) => string} text
 * @param {string} said
 * @returns {HTMLElement}
 */
export function rangeAxis(range, text, said) {
  return responsive((width) => drawnRange(range, text, said, width), "drawn range-axis");
}

/**
 * The same without an axis of its own: one of several rows on a common axis up to `most`.
 * @param {Range} range
 * @param {{least: number, most: number, log: boolean}} axis
 * @param {string} said
 * @returns {HTMLElement}
 */
export function rangeRow(range, axis, said) {
  return responsive((width) => {
    const scale = axis.log
      ? logarithmic([axis.least, axis.most], [4, width - 4])
      : straight([0, axis.most], [4, width - 4]);
    const line = svg("line", { class: "grid", x1: 4, x2: width - 4, y1: 12, y2: 12 });
    return pictured(said, width, 24, line, ...band(range, scale, 12, 10));
  }, "drawn range-row");
}

/**
 * A whole split into named parts, drawn as one bar with its figures in words below.
 * @param {{name: string, share: number, text: string}[]} parts
 * @param {string} whole
 * @returns {HTMLElement}
 */
export function splitBar(parts, whole) {
  const said = `${whole}: ${parts.map((p) => `${p.name} ${p.text}`).join(", ")}`;
  const bar = responsive((width) => {
    let x = 0;
    const boxes = parts.map((part, i) => {
      const w = Math.max(part.share * width - 2, 1);
      const box = svg("rect", { class: `part part-${i}`, x, y: 0, width: w, height: 12, rx: 2 });
      x += part.share * width;
      return box;
    });
    return pictured(said, width, 12, ...boxes);
  }, "drawn split");
  const names = parts.map((part, i) =>
    el(
      "li",
      {},
      keyBox(i),
      `${part.name} `,
      el("b", {}, part.text),
      el("span", { class: "muted" }, ` ${Math.round(100 * part.share)} %`),
    ),
  );
  return el("div", {}, bar, el("ul", { class: "key" }, ...names));
}

/**
 * An SVG picture that says in words what it shows.
 * @param {string} said
 * @param {number} width
 * @param {number} height
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function pictured(said, width, height, ...children) {
  const box = { viewBox: `0 0 ${width} ${height}`, width: "100%", height };
  return svg("svg", { role: "img", "aria-label": said, ...box }, ...children);
}

function keyBox(index) {
  const box = svg("rect", { class: `part part-${index}`, width: 10, height: 10, rx: 2 });
  return svg("svg", { width: 10, height: 10, "aria-hidden": "true" }, box);
}

function drawnRange(range, text, said, width) {
  const [left, right, y] = [8, width - 8, 18];
  const most = range.high * 1.06;
  const scale = wide([range.low, range.high])
    ? logarithmic([range.low / 1.3, range.high * 1.3], [left, right])
    : straight([0, most], [left, right], width < 420 ? 4 : 7);
  const ticks = thinned(scale.ticks, scale, 64).flatMap((tick) => [
    svg("line", { class: "axis", x1: scale.at(tick), x2: scale.at(tick), y1: y + 12, y2: y + 17 }),
    svg(
      "text",
      {
        x: scale.at(tick),
        y: y + 31,
        "text-anchor": tick === 0 ? "start" : "middle",
        dx: tick === 0 ? -4 : 0,
      },
      text(tick),
    ),
  ]);
  const line = svg("line", { class: "axis", x1: left, x2: right, y1: y + 12, y2: y + 12 });
  return pictured(said, width, 54, line, ...ticks, ...band(range, scale, y - 2, 16));
}

/** The range as a band with its ends marked, the expected value as a dot. */
function band(range, scale, y, height) {
  const [low, high, value] = [range.low, range.high, range.value].map((v) => scale.at(v));
  const top = y - height / 2;
  const w = Math.max(high - low, 1);
  return [
    svg("rect", { class: "band", x: low, y: top, width: w, height, rx: 2 }),
    svg("line", { class: "bound", x1: low, x2: low, y1: top, y2: top + height }),
    svg("line", { class: "bound", x1: high, x2: high, y1: top, y2: top + height }),
    svg("circle", { class: "dot", cx: value, cy: y, r: Math.min(6, height / 2) }),
  ];
}
