/** From what the page was asked to what the service and the command line are asked. */

/** @typedef {import("./state.js").State} State */

const SCOPED = "system";

/**
 * @param {State} state
 * @returns {boolean}
 */
export function isServing(state) {
  return state.task === "serve";
}

/**
 * Body of an estimate of a training or inference run, with CO2e and cost.
 * @param {State} state
 * @returns {Record<string, any>}
 */
export function estimateBody(state) {
  return { ...runBody(state), ...tariff(state) };
}

/**
 * Body of a sweep.
 * @param {State} state
 * @param {string} over
 * @returns {Record<string, any>}
 */
export function sweepBody(state, over) {
  return { ...runBody(state), over };
}

/**
 * Body of an estimate of a model server.
 * @param {State} state
 * @returns {Record<string, any>}
 */
export function servingBody(state) {
  return said({
    model: state.model,
    hardware: state.hw,
    rate_rps: number(state.rps),
    prompt_tokens: number(state.prompt),
    output_tokens: number(state.output),
    cache_hit_frac: number(state.cache),
    weight_precision: state.weights,
    engine: state.engine,
    ...shared(state),
    ...tariff(state),
  });
}

/**
 * The same question with another network and machine.
 * @param {State} state
 * @param {string} pair "model@machine"
 * @returns {State}
 */
export function withPair(state, pair) {
  const at = pair.lastIndexOf("@");
  return { ...state, model: pair.slice(0, at), hw: pair.slice(at + 1) };
}

/**
 * The question on the command line.
 * @param {State} state
 * @returns {string}
 */
export function commandLine(state) {
  const options = isServing(state) ? servingOptions(state) : runOptions(state);
  const common = [
    ["--gpus", state.gpus],
    ["--power-limit", state.limit],
    ["--region", state.region],
    ["--price", state.price],
    ["--pue", state.pue, "1"],
    ["--level", state.level, "0.9"],
  ];
  const words = [...options, ...common]
    .filter(([, value, usual]) => value !== "" && value !== usual)
    .map(([name, value]) => `${name} ${quoted(value)}`);
  const carbon = state.region ? [] : ["--carbon"];
  const start = `estimate --model ${quoted(state.model)} --hw ${quoted(state.hw)}`;
  return [start, ...words, ...carbon].join(" ");
}

function runOptions(state) {
  return [
    ["--task", state.task, "train"],
    ["--epochs", state.epochs, "1"],
    ["--samples", state.samples],
    ["--batch-size", state.batch, "128"],
    ["--input", state.input],
    ["--seq-len", state.seq],
    ["--precision", state.precision, "fp32"],
    ["--framework", state.framework],
  ];
}

function servingOptions(state) {
  return [
    state.rps ? ["--rps", state.rps] : ["--task", "serve"],
    ["--prompt-tokens", state.prompt, "512"],
    ["--output-tokens", state.output, "256"],
    ["--cache-hit", state.cache, "0"],
    ["--weight-precision", state.weights, "bf16"],
    ["--engine", state.engine, "vllm"],
  ];
}

function runBody(state) {
  return said({
    model: state.model,
    hardware: state.hw,
    task: state.task,
    epochs: number(state.epochs),
    samples: number(state.samples),
    batch_size: number(state.batch),
    input_shape: state.input ? state.input.split(/[x×, ]+/).map(number) : undefined,
    seq_len: number(state.seq),
    precision: state.precision,
    framework: state.framework || undefined,
    ...shared(state),
  });
}

function shared(state) {
  return {
    n_gpus: number(state.gpus),
    power_limit_w: number(state.limit),
    level: number(state.level),
    scope: SCOPED,
  };
}

function tariff(state) {
  const where = state.region ? { region: state.region } : { carbon: true };
  return said({ ...where, price: number(state.price), pue: number(state.pue) });
}

/** A number, nothing for a blank, and what is no number as it is: the service says what is wrong. */
function number(text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

function said(body) {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

function quoted(text) {
  return /^[\w.@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
