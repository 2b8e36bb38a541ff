/** The same run over batch sizes and power limits. */

import { Latest, post } from "./api.js";
import { curveChart } from "./charts.js";
import { el, fill } from "./dom.js";
import { axisUnit, duration, energy, known, percent, plain, si } from "./format.js";
import { arrived, folded, noticeList, problemBox, switcher, table, waiting } from "./parts.js";
import { sweepBody } from "./question.js";

const AXES = [
  { over: "batch_size", key: "batch", title: "Over the batch size", xName: "batch size", unit: "" },
  {
    over: "power_limit_w",
    key: "limit",
    title: "Over the power limit",
    xName: "power limit per GPU, W",
    unit: " W",
  },
];
const SHOWN = [
  { value: "energy", name: "Energy" },
  { value: "time", name: "Time" },
  { value: "power", name: "Power" },
];

/** The two curves below an answer: each asks for itself, and anew only when the question changed. */
export class Curves {
  /**
   * @param {Element} place
   * @param {(changes: object) => void} set
   */
  constructor(place, set) {
    this.place = place;
    this.set = set;
    this.state = /** @type {any} */ (null);
    this.switch = el("div");
    this.slots = AXES.map((axis) => {
      return { axis, at: el("div"), ask: new Latest(350), asked: "", found: null };
    });
  }

  /**
   * @param {any} state
   * @param {boolean} hasGpu without one there is no power limit to set
   */
  show(state, hasGpu) {
    this.state = state;
    const mode = switcher("Shown in the curves", SHOWN, state.show, (show) => this.set({ show }));
    arrived(this.switch, mode);
    if (!this.place.contains(this.switch)) {
      fill(this.place, this.switch, el("div", { class: "two" }, ...this.slots.map((s) => s.at)));
    }
    for (const slot of this.slots) {
      const applies = hasGpu || slot.axis.over === "batch_size";
      slot.at.hidden = !applies;
      if (applies) this.update(slot);
    }
  }

  hide() {
    for (const slot of this.slots) {
      slot.ask.stop();
      slot.asked = "";
    }
    fill(this.place);
  }

  update(slot) {
    const body = sweepBody(this.state, slot.axis.over);
    const asked = JSON.stringify(body);
    if (asked === slot.asked) {
      if (slot.found) this.draw(slot);
      return;
    }
    slot.asked = asked;
    slot.found = null;
    waiting(slot.at);
    slot.ask.ask(
      (signal) => post("v1/sweep", body, signal),
      (found) => {
        slot.found = found;
        this.draw(slot);
      },
      (problem) => {
        slot.asked = "";
        arrived(slot.at, titled(slot.axis, quietProblem(problem)));
      },
    );
  }

  draw(slot) {
    const { axis, found } = slot;
    const curve = sweepCurve(found, axis, this.state.show);
    const rows = sweepTable(found, axis, (value) => this.set({ [axis.key]: String(value) }));
    const told = [el("p", {}, verdict(found, axis)), curveChart(curve)];
    const figures = folded(`Figures ${axis.title.toLowerCase()}`, rows, noticeList(found.notices));
    arrived(slot.at, titled(axis, ...told, figures));
  }
}

/** What an axis cannot be asked for (no GPU, no limit) is no fault of the page. */
function quietProblem(problem) {
  if (problem.status === 422) return el("p", { class: "muted" }, problem.message);
  return problemBox(problem);
}

function titled(axis, ...children) {
  return el("section", { class: "block curve" }, el("h2", {}, axis.title), ...children);
}

function sweepCurve(found, axis, shown) {
  const points = found.points.map((p) => sweepPoint(p, found, axis, shown));
  return {
    points,
    xLog: axis.over === "batch_size",
    xTicks: axis.over === "batch_size" ? found.points.map((p) => p.value) : undefined,
    xName: axis.xName,
    xText: plain,
    yUnit: axisUnit(shown, Math.min(...points.map((p) => p.y))),
    said: `${shown} ${axis.title.toLowerCase()}; figures in the table below`,
    line: known(found.mem_ends_at) ? { x: found.mem_ends_at, text: "does not fit" } : undefined,
  };
}

function sweepPoint(p, found, axis, shown) {
  const mark = p.value === found.best ? "best" : p.value === found.asked ? "asked" : undefined;
  const words = [
    `${plain(p.value)}${axis.unit}${mark ? ` (${mark === "best" ? "least energy" : "as asked"})` : ""}`,
    `${energy(p.energy_j)}, ${energy(p.energy_low_j)} to ${energy(p.energy_high_j)}`,
    duration(p.duration_s),
    si(p.power_w, "W"),
    p.fits ? "" : "does not fit into memory",
  ];
  const common = { x: p.value, said: words.filter(Boolean).join(" · "), faint: !p.fits, mark };
  if (shown === "energy")
    return { ...common, y: p.energy_j, low: p.energy_low_j, high: p.energy_high_j };
  if (shown === "time")
    return { ...common, y: p.duration_s, low: p.duration_low_s, high: p.duration_high_s };
  return { ...common, y: p.power_w };
}

function verdict(found, axis) {
  if (found.best === null) return "No value fits into memory.";
  const name = `${plain(found.best)}${axis.unit}`;
  if (!found.saves_frac || found.saves_frac < 0.005)
    return `Least energy at ${name}, about as asked.`;
  const slower = found.slower_frac ?? 0;
  const time = `${percent(Math.abs(100 * slower), 0)} ${slower < 0 ? "less" : "more"} time`;
  return `Least energy at ${name}: ${percent(100 * found.saves_frac, 0)} less than as asked, ${time}.`;
}

function sweepTable(found, axis, choose) {
  const head = [axis.xName, "Energy", "Low", "High", "Time", "Power", "Memory", "Measured"];
  const rows = found.points.map((p) =>
    [
      el(
        "button",
        {
          type: "button",
          class: "link",
          onclick: () => choose(p.value),
          title: "Ask for this value",
        },
        plain(p.value),
      ),
      energy(p.energy_j),
      energy(p.energy_low_j),
      energy(p.energy_high_j),
      duration(p.duration_s),
      si(p.power_w, "W"),
      p.fits ? si(p.mem_bytes, "B") : `${si(p.mem_bytes, "B")}, does not fit`,
      energy(p.measured_energy_j),
    ].map((text) => ({ text })),
  );
  return table(
    `Energy, time and power: ${axis.xName}`,
    head.map((text) => ({ text, number: true })),
    rows,
  );
}
