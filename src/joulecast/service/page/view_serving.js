/** The answer about a model server, and its curve over request rates. */

import {
  background,
  bigFigure,
  factList,
  headLines,
  moneyFacts,
  scopeSplit,
  standing,
} from "./answer.js";
import { curveChart } from "./charts.js";
import { el } from "./dom.js";
import {
  axisUnit,
  duration,
  energy,
  energyRange,
  energyScale,
  known,
  percent,
  plain,
  si,
} from "./format.js";
import { folded, switcher, table } from "./parts.js";

const SHOWN = [
  { value: "energy", name: "Energy per request" },
  { value: "power", name: "Power" },
  { value: "latency", name: "Latency" },
];

/**
 * @param {any} answer
 * @param {any} state
 * @param {object} body
 * @returns {HTMLElement[]}
 */
export function servingAnswer(answer, state, body) {
  const raw = requestRange(answer);
  const figure = energyRange(raw.value, raw.low, raw.high);
  const [scale, unit] = energyScale(raw.value);
  const inUnits = { value: raw.value / scale, low: raw.low / scale, high: raw.high / scale };
  const text = (v) => `${plain(v)}${v ? ` ${unit}` : ""}`;
  const rate = known(answer.rate_rps) ? `${plain(answer.rate_rps)} requests/s` : "full load";
  return [
    headLines(answer, rate),
    bigFigure({ label: "Energy per request", figure, level: answer.level, raw: inUnits, text }),
    factList([...loadFacts(answer), ...moneyFacts(answer, state)]),
    el("div", { class: "two" }, scopeSplit(answer), standing(answer)),
    background(answer, state, body),
  ];
}

/**
 * @param {any} answer
 * @returns {string}
 */
export function servingSpoken(answer) {
  const r = requestRange(answer);
  const e = energyRange(r.value, r.low, r.high);
  return `${answer.model} on ${answer.hardware}: ${e.value} ${e.unit} per request, between ${e.low} and ${e.high}`;
}

/**
 * The server at rates up to and beyond its saturation.
 * @param {any} answer
 * @param {string} shown one of energy, power, latency
 * @param {(changes: object) => void} set
 * @returns {HTMLElement}
 */
export function rateCurve(answer, shown, set) {
  const points = answer.curve
    .map((p) => ratePoint(p, shown, answer))
    .filter((p) => known(p.y) && p.y > 0);
  const chart =
    points.length > 1
      ? curveChart({
          points,
          xLog: true,
          xName: "requests per second",
          xText: plain,
          yUnit: curveUnit(answer, shown, points),
          said: `${SHOWN.find((s) => s.value === shown)?.name} over requests per second; figures in the table below`,
          line: { x: answer.saturation_rps, text: "saturated" },
        })
      : el("p", {}, "There is no curve to this answer.");
  return el(
    "section",
    { class: "block curve" },
    el("h2", {}, "Over the request rate"),
    switcher("Shown over the request rate", SHOWN, shown, (load) => set({ load })),
    chart,
    folded("Figures of the request-rate curve", rateTable(answer.curve, set)),
  );
}

/** Energy in the unit of the answer itself, the rest as its largest value asks. */
function curveUnit(answer, shown, points) {
  if (shown === "energy") return axisUnit("energy", answer.energy_per_request_j);
  return axisUnit(shown === "power" ? "power" : "time", Math.max(...points.map((p) => p.y)));
}

function loadFacts(answer) {
  const token = [
    answer.energy_per_output_token_j,
    answer.energy_per_output_token_low_j,
    answer.energy_per_output_token_high_j,
  ];
  const t = energyRange(...thousand(token));
  const p95 = (s) => (known(s) ? `95 of 100 below ${duration(s)}` : "");
  return [
    {
      name: "Per 1,000 output tokens",
      value: `${t.value} ${t.unit}`,
      span: `${t.low} to ${t.high} ${t.unit}`,
    },
    {
      name: `Over ${span(answer)}`,
      value: energy(answer.energy_j),
      span: `${energy(answer.energy_low_j)} to ${energy(answer.energy_high_j)}`,
    },
    {
      name: "Power",
      value: si(answer.power_w, "W"),
      remark: `busy ${percent(100 * answer.busy_frac, 0)} of the time`,
    },
    {
      name: "Saturated at",
      value: `${plain(answer.saturation_rps)} requests/s`,
      span: `${plain(answer.saturation_low_rps)} to ${plain(answer.saturation_high_rps)}`,
      remark: `${plain(answer.concurrency)} in the batch now`,
    },
    { name: "First token", value: duration(answer.ttft_s), remark: p95(answer.ttft_p95_s) },
    { name: "Whole answer", value: duration(answer.latency_s), remark: p95(answer.latency_p95_s) },
    { name: "Net of idle", value: energy(answer.net_energy_j), remark: `over ${span(answer)}` },
  ];
}

function span(answer) {
  return answer.duration_s === 3600 ? "an hour" : duration(answer.duration_s);
}

function thousand(values) {
  return /** @type {[number, number, number]} */ (values.map((v) => 1000 * v));
}

function requestRange(answer) {
  return {
    value: answer.energy_per_request_j,
    low: answer.energy_per_request_low_j,
    high: answer.energy_per_request_high_j,
  };
}

function ratePoint(p, shown, answer) {
  const mark = p.rate_rps === answer.rate_rps ? "asked" : undefined;
  const said = [
    `${plain(p.rate_rps)} requests/s: ${energy(p.energy_per_request_j)} per request`,
    `${energy(p.energy_per_request_low_j)} to ${energy(p.energy_per_request_high_j)}`,
    si(p.power_w, "W"),
    known(p.latency_s) ? `answered in ${duration(p.latency_s)}` : "the queue grows",
  ].join(" · ");
  const bounds = { low: p.energy_per_request_low_j, high: p.energy_per_request_high_j };
  if (shown === "energy")
    return { x: p.rate_rps, y: p.energy_per_request_j, ...bounds, said, mark };
  return { x: p.rate_rps, y: shown === "power" ? p.power_w : p.latency_s, said, mark };
}

function rateTable(curve, set) {
  const head = [
    "Requests/s",
    "Per request",
    "Low",
    "High",
    "Power",
    "First token",
    "Whole answer",
    "Busy",
  ];
  const rows = curve.map((p) =>
    [
      rateButton(p.rate_rps, set),
      energy(p.energy_per_request_j),
      energy(p.energy_per_request_low_j),
      energy(p.energy_per_request_high_j),
      si(p.power_w, "W"),
      duration(p.ttft_s),
      duration(p.latency_s),
      percent(100 * p.busy_frac, 0),
    ].map((text) => ({ text })),
  );
  return table(
    "The server at each rate",
    head.map((text) => ({ text, number: true })),
    rows,
  );
}

function rateButton(rate, set) {
  const text = plain(rate);
  const choose = () => set({ rps: text.replaceAll(",", "") });
  return el(
    "button",
    { type: "button", class: "link", onclick: choose, title: "Ask for this rate" },
    text,
  );
}
