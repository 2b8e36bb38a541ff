/** Figures as a person reads them, in the words of the command line. SI values in, text out. */

const J_PER_WH = 3600;
const J_PER_KWH = 3.6e6;
const PREFIXES = /** @type {[number, string][]} */ ([
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
]);

/** What stands where nothing is known. */
export const NONE = "–";

/**
 * @typedef {{value: string, low: string, high: string, unit: string}} Ranged
 * A figure and its bounds in one unit and as many decimals.
 */

/**
 * Joules per unit, and the unit, in which a person would read an energy.
 * @param {number} energyJ
 * @returns {[number, string]}
 */
export function energyScale(energyJ) {
  const size = Math.abs(energyJ);
  if (size >= 1e3 * J_PER_KWH) return [1e3 * J_PER_KWH, "MWh"];
  if (size >= 0.1 * J_PER_KWH) return [J_PER_KWH, "kWh"];
  if (size >= 0.1 * J_PER_WH) return [J_PER_WH, "Wh"];
  return size >= 0.1 ? [1, "J"] : [1e-3, "mJ"];
}

/**
 * @param {number | null | undefined} energyJ
 * @returns {string}
 */
export function energy(energyJ) {
  if (!known(energyJ)) return NONE;
  const [scale, unit] = energyScale(energyJ);
  return `${two(energyJ / scale)} ${unit}`;
}

/**
 * @typedef {{scale: number, text: (value: number) => string}} Unit
 * SI per unit; a value in SI in that unit.
 */

/**
 * The unit of an axis up to `most`, one for all of its ticks.
 * @param {"energy" | "time" | "power"} kind
 * @param {number} most
 * @returns {Unit}
 */
export function axisUnit(kind, most) {
  const [scale, unit] = AXIS_UNITS[kind](most);
  return { scale, text: (value) => (value === 0 ? "0" : `${plain(value / scale)} ${unit}`) };
}

/** @type {Record<string, (most: number) => [number, string]>} */
const AXIS_UNITS = {
  energy: energyScale,
  time: (s) =>
    s < 300 ? [1, "s"] : s < 3 * 3600 ? [60, "min"] : s < 259200 ? [3600, "h"] : [86400, "d"],
  power: (w) => (w < 3000 ? [1, "W"] : [1000, "kW"]),
};

/**
 * An energy with its bounds.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {Ranged}
 */
export function energyRange(value, low, high) {
  const [scale, unit] = energyScale(value);
  return { ...ranged(value / scale, low / scale, high / scale), unit };
}

/**
 * A mass of CO2e with its bounds, grams in.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {Ranged}
 */
export function carbonRange(value, low, high) {
  const [scale, unit] = value >= 1e6 ? [1e6, "t"] : value >= 1e3 ? [1e3, "kg"] : [1, "g"];
  return { ...ranged(value / scale, low / scale, high / scale), unit };
}

/**
 * @param {number | null | undefined} grams
 * @returns {string}
 */
export function carbon(grams) {
  if (!known(grams)) return NONE;
  const { value, unit } = carbonRange(grams, grams, grams);
  return `${value} ${unit}`;
}

/**
 * A figure with its bounds, two digits of the figure and at least one of the lower bound.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {{value: string, low: string, high: string}}
 */
export function ranged(value, low, high) {
  const digits = decimals(value, low);
  return { value: fixed(value, digits), low: fixed(low, digits), high: fixed(high, digits) };
}

/**
 * `value` with an SI prefix, three digits: "101 W".
 * @param {number | null | undefined} value
 * @param {string} unit
 * @returns {string}
 */
export function si(value, unit) {
  if (!known(value)) return NONE;
  if (value === 0) return `0 ${unit}`;
  const rounded = Number(value.toPrecision(3));
  const [factor, prefix] =
    PREFIXES.find(([size]) => Math.abs(rounded) >= size) ?? PREFIXES[PREFIXES.length - 1];
  const word = unit.length > 1 && unit === unit.toLowerCase() && prefix;
  return `${Number((rounded / factor).toPrecision(3))} ${prefix}${word ? " " : ""}${unit}`.trim();
}

/**
 * @param {number | null | undefined} seconds
 * @returns {string}
 */
export function duration(seconds) {
  if (!known(seconds)) return NONE;
  if (seconds < 1) return si(Number(seconds.toPrecision(2)), "s");
  if (seconds < 99.5) return `${two(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 600) return `${Math.floor(whole / 60)} min ${padded(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h ${padded(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * A plain number, three digits or all of a large one's.
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function plain(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) >= 1000) return fixed(value, 0);
  return String(Number(value.toPrecision(3)));
}

/**
 * @param {number | null | undefined} percent 0..100
 * @param {number} [digits]
 * @returns {string}
 */
export function percent(percent, digits = 1) {
  return known(percent) ? `${fixed(percent, digits)} %` : NONE;
}

/**
 * @param {any} value
 * @returns {value is number}
 */
export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function two(value) {
  const rounded = Number(value.toPrecision(2));
  return Math.abs(rounded) >= 100 ? fixed(value, 0) : fixed(rounded, decimals(rounded, null));
}

/** Decimals that show two digits of `value`, and at least one of `low`. */
function decimals(value, low) {
  if (!Number.isFinite(value) || value === 0) return 2;
  const digits = Math.max(0, 1 - Math.floor(Math.log10(Math.abs(value))));
  if (!known(low) || low <= 0) return Math.min(digits, 12);
  return Math.min(12, Math.max(digits, Math.min(digits + 3, -Math.floor(Math.log10(low)))));
}

function fixed(value, digits) {
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return text.replace("-", "−");
}

function padded(number) {
  return String(number).padStart(2, "0");
}
