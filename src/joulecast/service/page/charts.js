/** Charts in SVG: a curve with its interval, and measured against predicted. */

import { el, svg } from "./dom.js";
import { pictured, responsive } from "./figures.js";
import { logarithmic, straight, thinned, wide } from "./scales.js";

/**
 * @typedef {{x: number, y: number, low?: number, high?: number, said: string, faint?: boolean,
 *   mark?: string}} Point
 * `said`: the point in words. `faint`: it cannot be had (does not fit). `mark`: "best", "asked".
 * @typedef {{points: Point[], xText: (x: number) => string,
 *   yUnit: import("./format.js").Unit, xLog?: boolean, xTicks?: number[], xName: string, said: string,
 *   line?: {x: number, text: string}}} Curve
 * @typedef {{x: import("./scales.js").Scale, y: import("./scales.js").Scale, left: number,
 *   right: number, top: number, bottom: number, width: number, height: number}} Plane
 */

/**
 * A curve with its interval; below it the point under the pointer, in words.
 * @param {Curve} curve
 * @returns {HTMLElement}
 */
export function curveChart(curve) {
  const readout = el("p", { class: "readout" }, curve.points.find((p) => p.mark)?.said ?? "");
  const chart = responsive((width) => drawnCurve(curve, width, readout), "drawn chart");
  return el("div", {}, chart, readout);
}

/**
 * Measured (up) against predicted (across), the line of equality and factors of two beside it.
 * @param {{x: number, y: number, said: string, kind: number}[]} points
 * @param {(value: number) => string} text
 * @param {string} said
 * @returns {HTMLElement}
 */
export function scatterChart(points, text, said) {
  const readout = el("p", { class: "readout" });
  const draw = (width) => drawnScatter(points, text, said, width, readout);
  const chart = responsive(draw, "drawn chart scatter");
  return el("div", {}, chart, readout);
}

function drawnCurve(curve, width, readout) {
  const plane = curvePlane(curve, width);
  const hair = svg("line", {
    class: "hair",
    y1: plane.top,
    y2: plane.bottom,
    visibility: "hidden",
  });
  const picture = pictured(
    curve.said,
    plane.width,
    plane.height,
    ...axes(plane, curve.xText, curve.yUnit.text, curve.xName),
    ...limitLine(curve, plane),
    ...bandAndLine(curve.points, plane),
    ...curve.points.map((p) => dot(p, plane)),
    hair,
  );
  const places = curve.points.map((p) => [plane.x.at(p.x), plane.y.at(p.y)]);
  follow(
    picture,
    plane,
    places.map(([x]) => [x, 0]),
    (i) => {
      hair.setAttribute("visibility", "visible");
      hair.setAttribute("x1", places[i][0]);
      hair.setAttribute("x2", places[i][0]);
      readout.textContent = curve.points[i].said;
    },
  );
  return picture;
}

function curvePlane(curve, width) {
  const height = Math.round(Math.min(300, Math.max(210, width * 0.55)));
  const frame = { left: 62, right: width - 14, top: 14, bottom: height - 46, width, height };
  const xs = curve.points.map((p) => p.x);
  const ys = curve.points.flatMap((p) => [p.low ?? p.y, p.y, p.high ?? p.y]);
  const across = /** @type {[number, number]} */ ([frame.left + 8, frame.right - 8]);
  const ends = /** @type {[number, number]} */ ([Math.min(...xs), Math.max(...xs)]);
  const x = curve.xLog ? logarithmic(ends, across) : straight(ends, across);
  const room = width < 420 ? 46 : 56;
  x.ticks = thinned(curve.xTicks ?? x.ticks, x, room);
  const up = /** @type {[number, number]} */ ([frame.bottom, frame.top]);
  return { ...frame, x, y: upward(ys, up, curve.yUnit.scale) };
}

/** The axis of the figures, its ticks round in the unit in which they are shown. */
function upward(values, pixels, scale) {
  const most = Math.max(...values) / scale;
  const least = Math.min(...values.filter((v) => v > 0)) / scale;
  const { at, ticks } = wide(values)
    ? logarithmic([least / 1.1, most * 1.1], pixels)
    : straight([0, most * 1.05], pixels);
  const own = { at: (v) => at(v / scale), ticks: ticks.map((t) => t * scale) };
  return { ...own, ticks: thinned(own.ticks, own, 22) };
}

function axes(plane, xText, yText, xName) {
  const { left, right, bottom } = plane;
  const rules = plane.y.ticks.flatMap((t) => [
    svg("line", { class: "grid", x1: left, x2: right, y1: plane.y.at(t), y2: plane.y.at(t) }),
    svg("text", { x: left - 8, y: plane.y.at(t) + 4, "text-anchor": "end" }, yText(t)),
  ]);
  const ticks = plane.x.ticks.flatMap((t) => [
    svg("line", {
      class: "axis",
      x1: plane.x.at(t),
      x2: plane.x.at(t),
      y1: bottom,
      y2: bottom + 4,
    }),
    svg("text", { x: plane.x.at(t), y: bottom + 18, "text-anchor": "middle" }, xText(t)),
  ]);
  const base = svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom });
  const middle = (left + right) / 2;
  const name = svg(
    "text",
    { x: middle, y: bottom + 38, "text-anchor": "middle", class: "name" },
    xName,
  );
  return [...rules, ...ticks, base, name];
}

function limitLine(curve, plane) {
  if (!curve.line) return [];
  const x = plane.x.at(curve.line.x);
  const before = x > (plane.left + plane.right) / 2;
  return [
    svg("line", { class: "limit", x1: x, x2: x, y1: plane.top, y2: plane.bottom }),
    svg(
      "text",
      { x: x + (before ? -6 : 6), y: plane.top + 10, "text-anchor": before ? "end" : "start" },
      curve.line.text,
    ),
  ];
}

function bandAndLine(points, plane) {
  const at = (p, y) => `${plane.x.at(p.x).toFixed(1)},${plane.y.at(y).toFixed(1)}`;
  const line = svg("polyline", { class: "line", points: points.map((p) => at(p, p.y)).join(" ") });
  if (points.some((p) => p.low === undefined)) return [line];
  const over = points.map((p) => at(p, p.high));
  const under = points.map((p) => at(p, p.low)).reverse();
  return [svg("polygon", { class: "band", points: [...over, ...under].join(" ") }), line];
}

function dot(point, plane) {
  const kind = ["dot", point.mark ?? "", point.faint ? "faint" : ""].join(" ").trim();
  const r = point.mark ? 6 : 3.5;
  return svg("circle", { class: kind, cx: plane.x.at(point.x), cy: plane.y.at(point.y), r });
}

function drawnScatter(points, text, said, width, readout) {
  const plane = scatterPlane(points, width);
  const places = points.map((p) => [plane.x.at(p.x), plane.y.at(p.y)]);
  const ring = svg("circle", { class: "ring", r: 9, visibility: "hidden" });
  const picture = pictured(
    said,
    plane.width,
    plane.height,
    ...axes(plane, text, text, "predicted energy"),
    ...[0.5, 1, 2].map((factor) => equality(plane, factor)),
    ...points.map((p, i) => shape(p.kind, places[i])),
    ring,
    svg("text", { x: plane.left + 8, y: plane.top + 12 }, "measured energy"),
  );
  follow(picture, plane, places, (i) => {
    ring.setAttribute("visibility", "visible");
    ring.setAttribute("cx", places[i][0]);
    ring.setAttribute("cy", places[i][1]);
    readout.textContent = points[i].said;
  });
  return picture;
}

function scatterPlane(points, width) {
  const height = Math.round(Math.min(460, Math.max(260, width * 0.62)));
  const frame = { left: 62, right: width - 14, top: 14, bottom: height - 46, width, height };
  const all = points.flatMap((p) => [p.x, p.y]);
  const ends = /** @type {[number, number]} */ ([Math.min(...all) / 2, Math.max(...all) * 2]);
  const x = logarithmic(ends, [frame.left, frame.right], 8);
  x.ticks = thinned(x.ticks, x, 56);
  return { ...frame, ends, x, y: logarithmic(ends, [frame.bottom, frame.top], 8) };
}

/** The line on which the measured is `factor` times the predicted. */
function equality(plane, factor) {
  const [low, high] = plane.ends;
  const [from, to] = factor < 1 ? [low / factor, high] : [low, high / factor];
  const ends = { x1: plane.x.at(from), x2: plane.x.at(to) };
  const heights = { y1: plane.y.at(from * factor), y2: plane.y.at(to * factor) };
  return svg("line", { class: factor === 1 ? "equal" : "double", ...ends, ...heights });
}

/** A mark per task: a dot, a square, a triangle. */
function shape(kind, [x, y]) {
  if (kind === 1) return svg("rect", { class: "mark", x: x - 4, y: y - 4, width: 8, height: 8 });
  if (kind === 2) return svg("path", { class: "mark", d: `M${x} ${y - 5}l5 9h-10z` });
  return svg("circle", { class: "mark", cx: x, cy: y, r: 4.5 });
}

/** Tell which of `places` lies nearest to the pointer, in pixels of the drawing. */
function follow(picture, plane, places, tell) {
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const scale = plane.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const far = places.map(([px, py]) => (px - x) ** 2 + (py && (py - y) ** 2));
    tell(far.indexOf(Math.min(...far)));
  });
}
