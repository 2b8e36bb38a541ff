/** From values to places on an axis, and where its ticks stand. */

/**
 * @typedef {{at: (value: number) => number, ticks: number[]}} Scale
 * `at`: pixels. `ticks`: values.
 */

const LOG_FROM = 20;

/**
 * Whether values spread so far that only a logarithmic axis shows them all.
 * @param {number[]} values
 * @returns {boolean}
 */
export function wide(values) {
  const positive = values.filter((v) => v > 0);
  return positive.length > 0 && Math.max(...positive) > LOG_FROM * Math.min(...positive);
}

/**
 * A straight axis from `low` to `high` over the pixels `from` to `to`, about `most` ticks.
 * @param {[number, number]} values
 * @param {[number, number]} pixels
 * @param {number} [most]
 * @returns {Scale}
 */
export function straight([low, high], [from, to], most = 5) {
  const span = high - low || Math.abs(high) || 1;
  const step = niceStep(span / most);
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) {
    ticks.push(Number(v.toPrecision(12)));
  }
  return { at: (v) => from + ((v - low) / span) * (to - from), ticks };
}

/**
 * A logarithmic axis; `low` is above 0.
 * @param {[number, number]} values
 * @param {[number, number]} pixels
 * @param {number} [most]
 * @returns {Scale}
 */
export function logarithmic([low, high], [from, to], most = 6) {
  const span = Math.log(high / low) || 1;
  const at = (v) => from + (Math.log(Math.max(v, low * 1e-6) / low) / span) * (to - from);
  return { at, ticks: logTicks(low, high, most) };
}

/**
 * Of `ticks` as many as keep `apart` pixels from each other, from the first on.
 * @param {number[]} ticks
 * @param {Scale} scale
 * @param {number} apart
 * @returns {number[]}
 */
export function thinned(ticks, scale, apart) {
  /** @type {number[]} */
  const kept = [];
  for (const tick of ticks) {
    const last = kept[kept.length - 1];
    if (last === undefined || Math.abs(scale.at(tick) - scale.at(last)) >= apart) kept.push(tick);
  }
  return kept;
}

/** 1, 2 or 5 times a power of ten, not below `rough`. */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough * (1 - 1e-9)) ?? rough;
}

function logTicks(low, high, most) {
  const decades = Math.ceil(Math.log10(high / low)) || 1;
  const factors = decades * 3 <= most + 2 ? [1, 2, 5] : [1];
  const every = factors.length > 1 ? 1 : Math.max(1, Math.ceil(decades / most));
  const ticks = [];
  const first = Math.floor(Math.log10(low));
  for (let e = first; e <= Math.ceil(Math.log10(high)); e += every) {
    for (const f of factors) ticks.push(Number((f * 10 ** e).toPrecision(3)));
  }
  return ticks.filter((t) => t >= low * (1 - 1e-9) && t <= high * (1 + 1e-9));
}
