/** A text field that searches a list: the combobox pattern of WAI-ARIA with a listbox. */

import { el, fill } from "./dom.js";

const MOST_SHOWN = 50;

/**
 * @typedef {{value: string, detail: string}} Option
 * @typedef {{input: any, list: any, status: any, choose: (value: string) => void}} Parts
 */

export class Combobox {
  /** @param {Parts} parts */
  constructor({ input, list, status, choose }) {
    this.input = input;
    this.list = list;
    this.status = status;
    this.choose = choose;
    /** @type {(Option & {key: string})[]} */
    this.options = [];
    /** @type {Option[]} */
    this.shown = [];
    this.active = -1;
    this.value = "";
    input.addEventListener("input", () => this.open(input.value));
    input.addEventListener("click", () => this.isOpen() || this.open(""));
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.leave());
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.clicked(event));
  }

  /** @param {Option[]} options */
  offer(options) {
    this.options = options.map((o) => ({ ...o, key: `${o.value} ${o.detail}`.toLowerCase() }));
  }

  /** Show a value without saying that it was chosen. @param {string} value */
  show(value) {
    this.value = value;
    if (document.activeElement !== this.input || !this.isOpen()) this.input.value = value;
  }

  isOpen() {
    return !this.list.hidden;
  }

  /** @param {string} typed */
  open(typed) {
    const found = ranked(this.options, typed);
    this.shown = found.slice(0, MOST_SHOWN);
    const current = typed ? -1 : this.shown.findIndex((o) => o.value === this.value);
    fill(this.list, ...this.shown.map((o, i) => this.row(o, i)));
    this.list.hidden = this.shown.length === 0;
    this.input.setAttribute("aria-expanded", String(this.isOpen()));
    this.status.textContent = counted(found.length);
    this.point(current);
  }

  row(option, index) {
    const id = `${this.list.id}-${index}`;
    const name = el("span", { class: "name" }, option.value);
    const detail = el("span", { class: "detail" }, option.detail);
    return el("li", { role: "option", id, "aria-selected": "false" }, name, detail);
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.status.textContent = "";
    this.active = -1;
  }

  /** Make the option at `index` the active one, -1 for none. */
  point(index) {
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = index;
    const row = this.list.children[index];
    if (!row) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    row.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", row.id);
    row.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const open = this.isOpen();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.step(event.key === "ArrowDown" ? 1 : -1, open, event.altKey);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.take(this.shown[this.active]?.value ?? this.input.value);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.input.value = open ? this.value : "";
      this.close();
    }
  }

  step(by, open, only) {
    if (!open) {
      this.open("");
      if (only) return;
    }
    const n = this.shown.length;
    if (!n) return;
    if (this.active < 0) this.point(by > 0 ? 0 : n - 1);
    else if (open) this.point((this.active + by + n) % n);
  }

  clicked(event) {
    const index = [...this.list.children].indexOf(event.target.closest("li"));
    if (index >= 0) this.take(this.shown[index].value);
  }

  take(value) {
    const wanted = value.trim();
    this.close();
    this.input.value = wanted || this.value;
    if (wanted && wanted !== this.value) {
      this.value = wanted;
      this.choose(wanted);
    }
  }

  leave() {
    if (this.active >= 0) this.input.value = this.shown[this.active].value;
    this.take(this.input.value);
  }
}

/** Options that hold every word typed; whole names first, then beginnings, then the rest. */
function ranked(options, typed) {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return options;
  const words = wanted.split(/\s+/);
  const rank = (o) => {
    const name = o.value.toLowerCase();
    return name === wanted ? 0 : name.startsWith(wanted) ? 1 : name.includes(wanted) ? 2 : 3;
  };
  return options
    .filter((o) => words.every((word) => o.key.includes(word)))
    .map((o) => ({ o, r: rank(o) }))
    .sort((a, b) => a.r - b.r)
    .map(({ o }) => o);
}

function counted(n) {
  if (n === 0) return "Nothing in the catalogue has this name. Enter asks for it as typed.";
  const more = n > MOST_SHOWN ? `, the first ${MOST_SHOWN} shown: type on to narrow` : "";
  return `${n.toLocaleString("en-US")} ${n === 1 ? "match" : "matches"}${more}`;
}
