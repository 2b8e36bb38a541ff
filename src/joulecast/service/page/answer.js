/** What the answers about runs and about servers have in common: where they stand, what they cost. */

import { el } from "./dom.js";
import { carbonRange, duration, energyScale, known, percent, plain, ranged } from "./format.js";
import { rangeAxis, rangeRow, splitBar } from "./figures.js";
import { folded, noticeList, table } from "./parts.js";
import { commandLine, isServing } from "./question.js";

/** @typedef {import("./format.js").Ranged} Ranged */

const NOVELTY = {
  "seen-pair": (m, h) => `Seen pair: ${m} was measured on ${h}.`,
  "new-model": (m, h) => `New network: ${m} was never measured on ${h}, other networks were.`,
  "new-hardware": (m, h) => `New machine: ${h} was never measured in this use, ${m} was.`,
  "new-pair": (m, h) => `New pair: ${m} was never measured on ${h}.`,
};
const BASIS = {
  "zero-shot": "Nothing of just this was measured",
  calibrated: "Sharpened by measured runs of this machine or of this network",
  "short-run": "From measured runs of this network on this machine",
  measured: "A measured run of just this",
};

/**
 * The workload and the machine in a line each.
 * @param {any} answer
 * @param {string} what how much of it
 * @returns {HTMLElement}
 */
export function headLines(answer, what) {
  return el(
    "header",
    { class: "head" },
    el("p", { class: "workload" }, answer.model_text || answer.model),
    el("p", { class: "machine" }, `${what} on ${answer.hardware_text || answer.hardware}`.trim()),
  );
}

/**
 * The figure that comes first: large, its range in words and on an axis.
 * @param {{label: string, figure: Ranged, level: number, raw: import("./figures.js").Range,
 *   text: (value: number) => string}} given
 * @returns {HTMLElement}
 */
export function bigFigure({ label, figure, level, raw, text }) {
  const range = `${figure.low} to ${figure.high} ${figure.unit}`;
  const said = `${label} ${figure.value} ${figure.unit}, ${percent(100 * level, 0)} interval ${range}`;
  return el(
    "div",
    { class: "big" },
    el("h2", {}, label),
    el(
      "p",
      { class: "number" },
      el("span", { class: "value" }, figure.value),
      el("span", { class: "unit" }, ` ${figure.unit}`),
    ),
    el(
      "p",
      { class: "between" },
      `between ${figure.low} and ${figure.high} ${figure.unit}, `,
      el("span", { class: "muted" }, `${plain(100 * level)} % interval`),
    ),
    rangeAxis(raw, text, said),
  );
}

/**
 * Figures in a list: what, how much, its range, a remark.
 * @param {{name: string, value: string, span?: string, remark?: any, drawn?: any}[]} rows
 * @returns {HTMLElement}
 */
export function factList(rows) {
  const items = rows.map(({ name, value, span, remark, drawn }) =>
    el(
      "div",
      {},
      el("dt", {}, name),
      el(
        "dd",
        {},
        el("span", { class: "value" }, value),
        span && el("span", { class: "span" }, span),
        drawn,
        remark && el("span", { class: "remark" }, remark),
      ),
    ),
  );
  return el("dl", { class: "facts" }, ...items);
}

/**
 * A duration as a row of facts, its range drawn.
 * @param {string} name
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {{name: string, value: string, span: string, drawn: HTMLElement}}
 */
export function durationFact(name, value, low, high) {
  const span = `${duration(low)} to ${duration(high)}`;
  const axis = { least: low / 1.3, most: high * 1.06, log: high > 20 * low };
  const drawn = rangeRow({ value, low, high }, axis, `${name} ${duration(value)}, ${span}`);
  return { name, value: duration(value), span, drawn };
}

/**
 * CO2e and cost, each with the energy's own relative range.
 * @param {any} answer
 * @param {any} state
 * @returns {{name: string, value: string, span?: string, remark?: any}[]}
 */
export function moneyFacts(answer, state) {
  const facts = [];
  if (known(answer.carbon_g)) {
    const c = carbonRange(answer.carbon_g, ...bounds(answer, answer.carbon_g));
    const rate = `${plain(answer.carbon_intensity_g_per_kwh)} g/kWh, ${answer.carbon_source ?? ""}`;
    const remark = state.region ? rate : `World average: no grid chosen. ${rate}`;
    facts.push({
      name: "CO₂e",
      value: `${c.value} ${c.unit}`,
      span: `${c.low} to ${c.high} ${c.unit}`,
      remark,
    });
  }
  if (known(answer.cost)) {
    const c = ranged(answer.cost, ...bounds(answer, answer.cost));
    const remark = `${plain(answer.price_per_kwh)} per kWh`;
    facts.push({ name: "Cost", value: c.value, span: `${c.low} to ${c.high}`, remark });
  } else {
    facts.push({
      name: "Cost",
      value: "–",
      remark: "Give the price of a kWh under More settings.",
    });
  }
  return facts;
}

/** The bounds of what is a constant times the energy. */
function bounds(answer, value) {
  const factor = answer.energy_j ? value / answer.energy_j : 0;
  return /** @type {[number, number]} */ ([
    factor * answer.energy_low_j,
    factor * answer.energy_high_j,
  ]);
}

/**
 * Where the energy goes: GPU, CPU, memory.
 * @param {any} answer
 * @returns {HTMLElement | null}
 */
export function scopeSplit(answer) {
  const parts = [
    { name: "GPU", energyJ: answer.gpu_energy_j },
    { name: "CPU", energyJ: answer.cpu_energy_j },
    { name: "DRAM", energyJ: answer.dram_energy_j },
  ].filter((part) => known(part.energyJ));
  const whole = parts.reduce((sum, part) => sum + part.energyJ, 0);
  if (!whole) return null;
  const [scale, unit] = energyScale(whole);
  const shares = parts.map(({ name, energyJ }) => {
    const { value } = ranged(energyJ / scale, whole / scale, whole / scale);
    return { name, share: energyJ / whole, text: `${value} ${unit}` };
  });
  return el(
    "section",
    { class: "block" },
    el("h2", {}, "Where it goes"),
    splitBar(shares, "Energy"),
  );
}

/**
 * On what the answer stands, what would sharpen it, what has to be said about it.
 * @param {any} answer
 * @returns {HTMLElement}
 */
export function standing(answer) {
  const why = NOVELTY[answer.novelty]?.(answer.model, answer.hardware) ?? "";
  const doubts = [
    answer.extrapolated && "extrapolated",
    answer.stable === false && "not yet stable",
  ];
  const basis = [answer.basis, ...doubts.filter(Boolean)].join(", ");
  return el(
    "section",
    { class: "block" },
    el("h2", {}, "How sure this is"),
    el("p", {}, el("b", { class: "tag" }, basis), ` ${BASIS[answer.basis] ?? ""}. ${why}`),
    answer.next_measurement &&
      el(
        "p",
        { class: "sharpen" },
        el("b", {}, "What would sharpen it: "),
        answer.next_measurement,
      ),
    noticeList(answer.notices),
  );
}

/**
 * What the answer leans on, and the same question elsewhere.
 * @param {any} answer
 * @param {any} state
 * @param {object} body
 * @returns {HTMLElement}
 */
export function background(answer, state, body) {
  const head = [
    { text: "Network" },
    { text: "Device" },
    { text: "Runs", number: true },
    { text: "Source" },
  ];
  const rows = (answer.evidence ?? []).map((e) =>
    [e.model, e.device, plain(e.n), e.source].map((text) => ({ text })),
  );
  const evidence = rows.length
    ? table("Measured groups nearest to this", head, rows)
    : el("p", {}, "Nothing near was measured.");
  const path = isServing(state) ? "v1/serving" : "v1/estimate";
  return el(
    "section",
    { class: "block background" },
    folded("Nearest measurements", evidence),
    folded(
      "The same question elsewhere",
      el("p", {}, "On the command line:"),
      el("pre", { tabindex: "0" }, commandLine(state)),
      el("p", {}, `To this service, POST ${path}:`),
      el("pre", { tabindex: "0" }, JSON.stringify(body, null, 1)),
    ),
  );
}
