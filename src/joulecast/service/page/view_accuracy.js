/** The accuracy card of the predictor, as tables. */

import { Latest, get } from "./api.js";
import { el } from "./dom.js";
import { known, percent, plain } from "./format.js";
import { arrived, folded, problemBox, switcher, table, waiting } from "./parts.js";

const TARGETS = [
  { value: "energy", name: "Energy" },
  { value: "power", name: "Power" },
  { value: "time", name: "Time" },
];
const LEFT_OUT = {
  random: "some runs, at random",
  "new-model": "every run of a network",
  "new-family": "a network and its relatives",
  "new-hardware": "every run of a device",
  "new-pair": "a network and a device, both",
  "new-source": "everything one source measured",
};
const ORDER = Object.keys(LEFT_OUT);

export class AccuracyView {
  /**
   * @param {Element} place
   * @param {(changes: object) => void} set
   */
  constructor(place, set) {
    this.place = place;
    this.set = set;
    this.latest = new Latest();
    /** @type {any} */
    this.card = null;
  }

  /** @param {any} state */
  show(state) {
    if (this.card) {
      this.draw(this.card, state.of);
      return;
    }
    waiting(this.place, "Reading the accuracy card.");
    this.latest.ask(
      (signal) => get("v1/accuracy", signal),
      (card) => {
        this.card = card;
        this.draw(card, state.of);
      },
      (problem) => arrived(this.place, problemBox(problem, { retry: () => this.show(state) })),
    );
  }

  draw(card, of) {
    const target = TARGETS.some((t) => t.value === of) ? of : "energy";
    const servers = card.serving?.protocols;
    arrived(
      this.place,
      el("p", {}, explained(card)),
      switcher("Shown in the tables", TARGETS, target, (value) => this.set({ of: value })),
      el(
        "section",
        { class: "block" },
        el("h2", {}, "Training and inference"),
        protocols(card, target),
      ),
      servers &&
        el(
          "section",
          { class: "block" },
          el("h2", {}, "Model servers"),
          ...servings(servers, target),
        ),
      el("section", { class: "block" }, ...more(card, target)),
    );
  }
}

function explained(card) {
  return (
    `Fitted on ${plain(card.n_runs)} runs, checked on runs that were left out. ` +
    "Error: half of the predictions are nearer than this. P90: nine of ten are. " +
    `Covered: share of measurements inside the ${percent(100 * (card.level ?? 0.9), 0)} interval. ` +
    "Width: the interval reaches from the prediction divided by this to the prediction times it."
  );
}

const HEAD = [
  { text: "Left out" },
  { text: "Runs", number: true },
  { text: "Error", number: true },
  { text: "P90", number: true },
  { text: "Bias", number: true },
  { text: "Covered", number: true },
  { text: "Width", number: true },
];

function figures(name, f) {
  const width = known(f.width) ? `× ${f.width.toFixed(2)}` : "–";
  const texts = [
    name,
    plain(f.n),
    percent(f.mdape),
    percent(f.p90),
    percent(f.bias),
    percent(f.coverage),
    width,
  ];
  return texts.map((text) => ({ text }));
}

function protocols(card, target) {
  const rows = inOrder(card.protocols).map(([name, by]) =>
    figures(LEFT_OUT[name] ?? name, by[target] ?? {}),
  );
  return table(`Error of ${target} on runs left out`, HEAD, rows);
}

/** The servers' card has kinds of networks below each protocol: all of text first, the rest folded. */
function servings(by, target) {
  const all = inOrder(by).flatMap(([name, kinds]) =>
    Object.entries(kinds)
      .filter(([, f]) => f?.[target])
      .map(([kind, f]) => ({ kind, name: LEFT_OUT[name] ?? name, f: f[target] })),
  );
  const what = target === "energy" ? "energy per output token" : target;
  const caption = `Error of ${what} of model servers on runs left out`;
  const text = all.filter(({ kind }) => kind === "text").map(({ name, f }) => figures(name, f));
  const rest = all.map(({ kind, name, f }) => figures(`${kind.replaceAll("_", " ")}: ${name}`, f));
  return [
    text.length && table(caption, HEAD, text),
    folded("By kind of network", table(`${caption}, by kind of network`, HEAD, rest)),
  ];
}

function inOrder(record) {
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(record ?? {}).sort(([a], [b]) => place(a) - place(b));
}

function more(card, target) {
  return [
    folded("Learners and simple rules", rivals(card)),
    ...[
      ["per_hardware", "By device"],
      ["per_model", "By network"],
      ["per_source", "By source"],
    ]
      .filter(([key]) => Array.isArray(card[key]))
      .map(([key, title]) => {
        const rows = card[key].map((entry) => figures(entry.label, entry[target] ?? {}));
        return folded(title, table(`Error of ${target}, ${title.toLowerCase()}`, HEAD, rows));
      }),
  ];
}

/** Median errors of the answer beside those of what it is made of, and of rules of thumb. */
function rivals(card) {
  const columns = ["answer", ...names(card.learners), ...names(card.baselines)];
  const rows = inOrder(card.protocols).map(([name, by]) => {
    const all = { answer: by.energy, ...card.learners?.[name], ...card.baselines?.[name] };
    return [LEFT_OUT[name] ?? name, ...columns.map((c) => percent(all[c]?.mdape))].map((text) => ({
      text,
    }));
  });
  const head = [
    { text: "Left out" },
    ...columns.map((c) => ({ text: c.replaceAll("_", " "), number: true })),
  ];
  return table("Median error of energy: the answer, its learners, rules of thumb", head, rows);
}

function names(byProtocol) {
  return Object.keys(Object.values(byProtocol ?? {})[0] ?? {});
}
