/** Pieces that every view is made of: problems, notices, tables, switches, waiting. */

import { el, fill } from "./dom.js";

/**
 * @typedef {{text: any, number?: boolean, sort?: string}} Cell
 * @typedef {{name: string, value: string}} Choice
 */

/**
 * What went wrong, in the service's own words, with what can be done about it.
 * @param {any} problem
 * @param {{use?: (name: string) => void, retry?: () => void}} [actions]
 * @returns {HTMLElement}
 */
export function problemBox(problem, { use, retry } = {}) {
  const near = use ? (problem.nearest ?? []) : [];
  const names = near.map((name) =>
    el("button", { type: "button", onclick: () => use?.(name) }, name),
  );
  const choose = names.length > 0 && el("p", { class: "buttons" }, "Use instead: ", ...names);
  const again = retry && worthRetrying(problem.status);
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("h2", {}, problem.title ?? "This page has a fault"),
    el("p", {}, problem.message),
    choose,
    again && el("p", {}, el("button", { type: "button", onclick: retry }, "Try again")),
  );
}

function worthRetrying(status) {
  return !status || status === 401 || status === 408 || status === 429 || status >= 500;
}

/**
 * @param {string[]} notices
 * @returns {HTMLElement | null}
 */
export function noticeList(notices) {
  if (!notices?.length) return null;
  return el("ul", { class: "notices" }, ...notices.map((n) => el("li", {}, n)));
}

/**
 * A table; columns of numbers are set flush right.
 * @param {string} caption
 * @param {Cell[]} head
 * @param {Cell[][]} rows the first cell of each is its head
 * @returns {HTMLElement}
 */
export function table(caption, head, rows) {
  const top = head.map((c) => el("th", { scope: "col", class: c.number ? "n" : "" }, c.text));
  const body = rows.map((row) => el("tr", {}, ...row.map((c, i) => cell(c, i, head[i]))));
  const whole = el(
    "table",
    {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...top)),
    el("tbody", {}, ...body),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    whole,
  );
}

function cell(content, index, column) {
  const kind = column?.number ? "n" : "";
  if (index === 0) return el("th", { scope: "row", class: kind }, content.text);
  return el("td", { class: kind }, content.text);
}

/**
 * One choice out of a few, as a row of buttons that tell which is on.
 * @param {string} label
 * @param {Choice[]} choices
 * @param {string} on
 * @param {(value: string) => void} choose
 * @returns {HTMLElement}
 */
export function switcher(label, choices, on, choose) {
  const buttons = choices.map(({ name, value }) => {
    const pressed = String(value === on);
    const attributes = { type: "button", "aria-pressed": pressed, onclick: () => choose(value) };
    return el("button", attributes, name);
  });
  return el("div", { class: "switcher", role: "group", "aria-label": label }, ...buttons);
}

/**
 * Something folded away under its title; it stays open when it is drawn anew.
 * @param {string} title
 * @param {...any} children
 * @returns {HTMLElement}
 */
export function folded(title, ...children) {
  const details = el("details", {}, el("summary", {}, title), ...children);
  details.open = opened.has(title);
  details.addEventListener("toggle", () => opened[details.open ? "add" : "delete"](title));
  return details;
}

const opened = new Set();

/**
 * Say that `place` is being answered: what it shows stays, dimmed; nothing yet is said in words.
 * @param {Element} place
 * @param {string} [words]
 */
export function waiting(place, words = "One moment.") {
  place.setAttribute("aria-busy", "true");
  if (!place.childElementCount) fill(place, el("p", { class: "waiting" }, words));
}

/**
 * Fill a place with its answer. The button that had the focus keeps it.
 * @param {Element} place
 * @param {...any} children
 */
export function arrived(place, ...children) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const text = focused?.textContent;
  const tag = focused?.tagName.toLowerCase();
  place.removeAttribute("aria-busy");
  fill(place, ...children);
  if (!tag) return;
  const same = [...place.querySelectorAll(tag)].find((e) => e.textContent === text);
  /** @type {any} */ (same)?.focus();
}
