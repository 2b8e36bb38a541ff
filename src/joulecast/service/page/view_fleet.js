/** The fleet's measured runs against what is predicted without them. */

import { Latest, get } from "./api.js";
import { scatterChart } from "./charts.js";
import { el } from "./dom.js";
import { energy, percent, plain, si } from "./format.js";
import { arrived, problemBox, table, waiting } from "./parts.js";

const MOST_ROWS = 50;
const TASKS = ["train", "infer", "serve"];

export class FleetView {
  /**
   * @param {Element} place
   * @param {(changes: object) => void} set
   * @param {(words: string) => void} say
   */
  constructor(place, set, say) {
    this.place = place;
    this.set = set;
    this.say = say;
    this.latest = new Latest();
  }

  /** @param {any} state */
  show(state) {
    waiting(this.place, "Reading the fleet's runs.");
    const query = new URLSearchParams({ limit: "200", level: state.level });
    if (state.fleet) query.set("hardware", state.fleet);
    this.latest.ask(
      (signal) => Promise.all([get(`v1/fleet?${query}`, signal), get("v1/machines", signal)]),
      ([fleet, machines]) => this.draw(fleet, machines.fleet ?? [], state),
      (problem) => arrived(this.place, problemBox(problem, { retry: () => this.show(state) })),
    );
  }

  draw(fleet, machines, state) {
    const filter = machines.length ? machineFilter(machines, state.fleet, this.set) : null;
    const { points } = fleet;
    if (!points.length) {
      arrived(this.place, filter, empty(fleet));
      return;
    }
    const words = summary(fleet);
    arrived(
      this.place,
      filter,
      el("p", { class: "verdict" }, words),
      scatterChart(
        points.map(scatterPoint),
        (v) => si(v, "J"),
        `${words} Figures in the table below.`,
      ),
      legend(points),
      fleetTable(points),
      el("p", { class: "muted" }, left(fleet)),
    );
    this.say(words);
  }
}

function machineFilter(machines, chosen, set) {
  const options = machines.map((m) => {
    const leaned = m.calibrated ? ", estimates lean on them" : "";
    const runs = `${plain(m.runs)} run${m.runs === 1 ? "" : "s"}`;
    return el("option", { value: m.id, selected: m.id === chosen }, `${m.id} (${runs}${leaned})`);
  });
  const select = el(
    "select",
    { id: "fleet-machine", onchange: (event) => set({ fleet: event.target.value }) },
    el("option", { value: "" }, "All machines"),
    ...options,
  );
  return el(
    "div",
    { class: "field narrow" },
    el("label", { for: "fleet-machine" }, "Machine"),
    select,
  );
}

function empty(fleet) {
  const seen = fleet.runs
    ? `${plain(fleet.runs)} runs are stored, but none has an energy that can be compared.`
    : "No run has been sent here yet.";
  const command = `joulecast profile train --model resnet18 --push ${location.origin}`;
  return el(
    "div",
    { class: "empty" },
    el("h2", {}, seen),
    el(
      "p",
      {},
      "A profiler sends what it measures; a few short runs are enough to see how well predictions hold on a machine:",
    ),
    el("pre", { tabindex: "0" }, command),
  );
}

function scatterPoint(p) {
  const said = [
    `${p.model} on ${p.hardware}, ${p.task}`,
    `measured ${energy(p.measured_energy_j)}`,
    `predicted ${energy(p.predicted_energy_j)}, ${energy(p.predicted_energy_low_j)} to ${energy(p.predicted_energy_high_j)} per ${p.unit}`,
  ].join(" · ");
  return { x: p.predicted_energy_j, y: p.measured_energy_j, said, kind: TASKS.indexOf(p.task) };
}

function summary(fleet) {
  const errors = fleet.points
    .map((p) => 100 * Math.abs(p.predicted_energy_j / p.measured_energy_j - 1))
    .sort((a, b) => a - b);
  const middle = (errors[(errors.length - 1) >> 1] + errors[errors.length >> 1]) / 2;
  const inside = percent(100 * fleet.inside_frac, 0);
  const n = fleet.points.length;
  return (
    `${plain(n)} run${n === 1 ? "" : "s"}: half of the predictions are nearer than ${percent(middle, 0)}; ` +
    `${inside} of what was measured lies within the ${percent(100 * fleet.level, 0)} interval.`
  );
}

function legend(points) {
  const names = ["dots: training", "squares: inference", "triangles: servers, per request"];
  const seen = names.filter((_, i) => points.some((p) => p.task === TASKS[i]));
  const rest = ["solid line: as predicted", "dashed lines: half and twice as much"];
  return el(
    "p",
    { class: "muted" },
    `Energy per sample or request; ${[...seen, ...rest].join("; ")}.`,
  );
}

function fleetTable(points) {
  const head = [
    { text: "Network" },
    { text: "Machine" },
    { text: "Task" },
    { text: "Started" },
    { text: "Measured", number: true },
    { text: "Predicted", number: true },
    { text: "Measured / predicted", number: true },
    { text: "Inside" },
  ];
  const rows = points
    .slice(0, MOST_ROWS)
    .map((p) =>
      [
        p.model,
        p.hardware,
        p.task,
        (p.started_at ?? "").slice(0, 16).replace("T", " "),
        energy(p.measured_energy_j),
        energy(p.predicted_energy_j),
        plain(Number((p.measured_energy_j / p.predicted_energy_j).toPrecision(2))),
        p.is_inside ? "yes" : "no",
      ].map((text) => ({ text })),
    );
  return table(`The newest ${rows.length} of them, energy per sample or request`, head, rows);
}

function left(fleet) {
  const out = fleet.left_out
    ? `${plain(fleet.left_out)} without an energy that can be compared are left out. `
    : "";
  const more =
    fleet.next_after === null ? "" : `Only the newest ${plain(fleet.runs)} runs are shown.`;
  return `${out}${more}`;
}
