/** The answer about a training or inference run. */

import {
  background,
  bigFigure,
  durationFact,
  factList,
  headLines,
  moneyFacts,
  scopeSplit,
  standing,
} from "./answer.js";
import { el } from "./dom.js";
import { energy, energyRange, energyScale, plain, si } from "./format.js";

/**
 * @param {any} answer
 * @param {any} state
 * @param {object} body
 * @returns {HTMLElement[]}
 */
export function runAnswer(answer, state, body) {
  const figure = energyRange(answer.energy_j, answer.energy_low_j, answer.energy_high_j);
  const raw = { value: answer.energy_j, low: answer.energy_low_j, high: answer.energy_high_j };
  const [scale, unit] = energyScale(answer.energy_j);
  const [inUnits, text] = [scaled(raw, scale), (v) => `${plain(v)}${v ? ` ${unit}` : ""}`];
  const facts = [
    durationFact("Time", answer.duration_s, answer.duration_low_s, answer.duration_high_s),
    { name: "Power", value: si(answer.power_w, "W"), remark: "mean, all parts" },
    ...moneyFacts(answer, state),
    {
      name: "Net of idle",
      value: energy(answer.net_energy_j),
      remark: "above what the machine draws anyway",
    },
  ];
  return [
    headLines(answer, passes(answer.workload)),
    bigFigure({ label: "Energy", figure, level: answer.level, raw: inUnits, text }),
    factList(facts),
    el("div", { class: "two" }, scopeSplit(answer), standing(answer)),
    background(answer, state, body),
  ];
}

/**
 * The answer in one sentence, for who hears the page.
 * @param {any} answer
 * @returns {string}
 */
export function runSpoken(answer) {
  const e = energyRange(answer.energy_j, answer.energy_low_j, answer.energy_high_j);
  return `${answer.model} on ${answer.hardware}: ${e.value} ${e.unit}, between ${e.low} and ${e.high}`;
}

function scaled(range, scale) {
  return { value: range.value / scale, low: range.low / scale, high: range.high / scale };
}

function passes(workload) {
  if (!workload) return "";
  const n = plain(workload.epochs);
  if (workload.task === "train") return `${n} epoch${workload.epochs === 1 ? "" : "s"}`;
  return workload.epochs === 1 ? "one pass" : `${n} passes`;
}
