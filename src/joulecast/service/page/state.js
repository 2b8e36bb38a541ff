/** What is asked, kept in the address: every answer has a link, back and forward work. */

/** Every key of the address with what it is when the address does not say. */
export const DEFAULTS = Object.freeze({
  view: "estimate",
  model: "vgg16",
  hw: "hc3",
  task: "train",
  epochs: "1",
  samples: "",
  batch: "128",
  seq: "",
  input: "",
  precision: "fp32",
  framework: "",
  gpus: "",
  limit: "",
  rps: "10",
  prompt: "512",
  output: "256",
  cache: "0",
  weights: "bf16",
  engine: "vllm",
  region: "",
  price: "",
  pue: "1",
  level: "0.9",
  show: "energy",
  load: "energy",
  of: "energy",
  fleet: "",
});

/** Pairs that are compared at most. */
export const MOST_PAIRS = 6;
const MOST_LENGTH = 100;

/**
 * @typedef {{[K in keyof typeof DEFAULTS]: string} & {pair: string[]}} State
 * `pair`: "model@machine", up to six.
 */

/**
 * The state that a query string spells; unknown keys are left out.
 * @param {string} query
 * @returns {State}
 */
export function read(query) {
  const given = new URLSearchParams(query);
  const state = /** @type {any} */ ({ ...DEFAULTS, pair: [] });
  for (const key of Object.keys(DEFAULTS)) {
    const value = given.get(key);
    if (value !== null) state[key] = value.slice(0, MOST_LENGTH);
  }
  const pairs = given.getAll("pair").filter((p) => p.includes("@") && p.length <= 2 * MOST_LENGTH);
  state.pair = [...new Set(pairs)].slice(0, MOST_PAIRS);
  return state;
}

/**
 * The query string of a state: only what differs from the defaults.
 * @param {State} state
 * @returns {string}
 */
export function write(state) {
  const query = new URLSearchParams();
  for (const key of /** @type {(keyof typeof DEFAULTS)[]} */ (Object.keys(DEFAULTS))) {
    if (state[key] !== DEFAULTS[key]) query.set(key, state[key]);
  }
  for (const pair of state.pair) query.append("pair", pair);
  const text = query.toString().replaceAll("%40", "@");
  return text ? `?${text}` : "";
}

/** The state of this page: one reader of the address, one writer. */
export class Store {
  /** @param {(state: State, before: State) => void} changed */
  constructor(changed) {
    this.now = read(location.search);
    this.changed = changed;
    this.last = "";
    addEventListener("popstate", () => {
      this.last = "";
      this.become(read(location.search));
    });
  }

  /**
   * Change some keys. Typing on in one field stays one step back.
   * @param {Partial<State>} changes
   */
  set(changes) {
    const next = { ...this.now, ...changes };
    if (write(next) === write(this.now)) return;
    const keys = Object.keys(changes).join();
    const query = write(next) || location.pathname;
    if (keys === this.last) history.replaceState(null, "", query);
    else history.pushState(null, "", query);
    this.last = keys;
    this.become(next);
  }

  /** @param {State} next */
  become(next) {
    const before = this.now;
    this.now = next;
    this.changed(next, before);
  }
}
