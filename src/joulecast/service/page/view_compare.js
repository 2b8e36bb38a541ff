/** Up to six pairs under one workload, the least energy first. */

import { Latest, post } from "./api.js";
import { el } from "./dom.js";
import { carbon, duration, energy, energyRange, known, plain, si } from "./format.js";
import { rangeRow } from "./figures.js";
import { arrived, problemBox, waiting } from "./parts.js";
import { estimateBody, isServing, servingBody, withPair } from "./question.js";
import { MOST_PAIRS } from "./state.js";

/** @typedef {{pair: string, answer?: any, problem?: any, range?: import("./figures.js").Range}} Entry */

export class Compare {
  /**
   * @param {Element} list where the pairs stand
   * @param {Element} place where the answers stand
   * @param {(changes: object) => void} set
   * @param {(words: string) => void} say
   */
  constructor(list, place, set, say) {
    this.list = list;
    this.place = place;
    this.set = set;
    this.say = say;
    this.latest = new Latest(250);
    /** @type {Map<string, any>} answers by question */
    this.known = new Map();
  }

  /** @param {any} state */
  show(state) {
    arrived(
      this.list,
      pairList(state.pair, (pair) => this.drop(state, pair)),
    );
    if (!state.pair.length) {
      this.latest.stop();
      arrived(
        this.place,
        el(
          "p",
          { class: "empty" },
          "No pair yet. Choose a network and a machine, then “Add this pair”.",
        ),
      );
      return;
    }
    waiting(this.place);
    this.latest.ask(
      (signal) => Promise.all(state.pair.map((pair) => this.entry(state, pair, signal))),
      (entries) => this.draw(entries, state),
      (problem) => arrived(this.place, problemBox(problem, { retry: () => this.show(state) })),
    );
  }

  drop(state, pair) {
    this.set({ pair: state.pair.filter((p) => p !== pair) });
  }

  /** @returns {Promise<Entry>} */
  async entry(state, pair, signal) {
    const own = withPair(state, pair);
    const [path, body] = isServing(own)
      ? ["v1/serving", servingBody(own)]
      : ["v1/estimate", estimateBody(own)];
    const key = JSON.stringify(body);
    try {
      if (!this.known.has(key)) this.known.set(key, await post(path, body, signal));
      const answer = this.known.get(key);
      return { pair, answer, range: rangeOf(answer) };
    } catch (problem) {
      if (signal.aborted) throw problem;
      return { pair, problem };
    }
  }

  draw(entries, state) {
    const found = entries.filter((e) => e.range).sort((a, b) => a.range.value - b.range.value);
    const failed = entries.filter((e) => !e.range);
    const axis = commonAxis(found);
    const rows = [...found.map((e, i) => answered(e, axis, i === 0)), ...failed.map(refused)];
    const words = verdict(found);
    const unit = isServing(state) ? "Energy per request" : "Energy";
    arrived(
      this.place,
      words && el("p", { class: "verdict" }, words),
      el("p", { class: "muted" }, `${unit}, on one ${axis.log ? "logarithmic " : ""}scale`),
      el("ol", { class: "pairs" }, ...rows),
    );
    this.say(words);
  }
}

function pairList(pairs, drop) {
  if (!pairs.length) return null;
  const items = pairs.map((pair) => {
    const name = named(pair);
    const attributes = {
      type: "button",
      "aria-label": `Remove ${name}`,
      onclick: () => drop(pair),
    };
    return el("li", {}, el("span", {}, name), el("button", attributes, "×"));
  });
  const full =
    pairs.length >= MOST_PAIRS &&
    el("p", { class: "muted" }, "Six pairs: remove one to add another.");
  return el(
    "div",
    {},
    el("ul", { class: "chips", "aria-label": "Pairs compared" }, ...items),
    full,
  );
}

function named(pair) {
  const at = pair.lastIndexOf("@");
  return `${pair.slice(0, at)} on ${pair.slice(at + 1)}`;
}

function rangeOf(answer) {
  if (known(answer.energy_per_request_j)) {
    return {
      value: answer.energy_per_request_j,
      low: answer.energy_per_request_low_j,
      high: answer.energy_per_request_high_j,
    };
  }
  return { value: answer.energy_j, low: answer.energy_low_j, high: answer.energy_high_j };
}

function commonAxis(found) {
  const least = Math.min(...found.map((e) => e.range.low)) / 1.2;
  const most = Math.max(...found.map((e) => e.range.high)) * 1.06;
  return { least, most, log: most > 30 * least };
}

function answered({ pair, answer, range }, axis, first) {
  const e = energyRange(range.value, range.low, range.high);
  const serving = known(answer.energy_per_request_j);
  const facts = serving
    ? [
        si(answer.power_w, "W"),
        `saturated at ${plain(answer.saturation_rps)} requests/s`,
        `answered in ${duration(answer.latency_s)}`,
      ]
    : [duration(answer.duration_s), si(answer.power_w, "W")];
  facts.push(`${carbon(answer.carbon_g)} CO₂e`);
  if (known(answer.cost)) facts.push(`cost ${plain(answer.cost)}`);
  facts.push(answer.basis, ...(answer.extrapolated ? ["extrapolated"] : []));
  const said = `${named(pair)}: ${e.value} ${e.unit}, ${e.low} to ${e.high}`;
  return el(
    "li",
    { class: first ? "least" : "" },
    el("p", { class: "pair" }, named(pair), first && el("span", { class: "tag" }, "least energy")),
    el(
      "p",
      { class: "amount" },
      el("b", {}, `${e.value} ${e.unit}`),
      el("span", { class: "span" }, `${e.low} to ${e.high}`),
    ),
    rangeRow(range, axis, said),
    el("p", { class: "muted" }, facts.join(" · ")),
  );
}

function refused({ pair, problem }) {
  return el("li", {}, el("p", { class: "pair" }, named(pair)), problemBox(problem));
}

/** What may be said of the order, overlaps included. */
function verdict(found) {
  if (found.length < 2) return "";
  const [first, ...rest] = found;
  const times = rest[rest.length - 1].range.value / first.range.value;
  const last = rest[rest.length - 1];
  const most = `${named(last.pair)} takes ${plain(Number(times.toPrecision(2)))} times as much`;
  const near = rest.filter((e) => e.range.low < first.range.high).map((e) => named(e.pair));
  const doubt = near.length
    ? ` Its interval overlaps with that of ${near.join(", ")}: the order may turn.`
    : " No other interval reaches into its own.";
  return `${named(first.pair)} takes the least energy; ${most}.${doubt}`;
}
