/** The question's form: what the fields say goes into the state, and the other way round. */

import { get } from "./api.js";
import { Combobox } from "./combobox.js";
import { byId, el } from "./dom.js";
import { si } from "./format.js";
import { REGIONS } from "./regions.js";

/** @typedef {import("./state.js").Store} Store */
/** @typedef {import("./state.js").State} State */

/** Encoders in the collection of language models: they generate nothing, so nobody serves them. */
const ENCODERS = /bert/i;

/** @type {Map<string, any>} */
const networks = new Map();

/**
 * Wire the form to the state; the returned function shows a state in the form.
 * @param {Store} store
 * @returns {(state: State) => void}
 */
export function wire(store) {
  const form = byId("question");
  for (const [code, name] of REGIONS) byId("region").append(el("option", { value: code }, name));
  const model = combo("model", (name) => store.set(networkChosen(store.now, name)));
  const machine = combo("hw", (name) => store.set({ hw: name }));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    const { name, value } = /** @type {any} */ (event.target);
    if (name) store.set({ [name]: value });
  });
  catalogues(model, machine);
  foldSettings();
  return (state) => {
    model.show(state.model);
    machine.show(state.hw);
    shown(form, state);
  };
}

function combo(id, choose) {
  const parts = { input: byId(id), list: byId(`${id}-list`), status: byId(`${id}-count`), choose };
  return new Combobox(parts);
}

/** A language model is served unless one says otherwise; anything else cannot be. */
function networkChosen(state, name) {
  const entry = networks.get(name);
  const framework = entry && entry.framework !== "pytorch" ? entry.framework : "";
  const changes = { model: name, framework };
  if (!entry) return changes;
  const generates = entry.collection === "llm" && !ENCODERS.test(name);
  if (generates) return { ...changes, task: "serve" };
  return state.task === "serve" ? { ...changes, task: "train" } : changes;
}

/** Beside the answer all settings show; above it, on a phone, they are folded away. */
function foldSettings() {
  const settings = byId("settings");
  const beside = matchMedia("(min-width: 60rem)");
  settings.open = beside.matches;
  beside.addEventListener("change", () => (settings.open = beside.matches));
}

async function catalogues(model, machine) {
  const [models, machines] = await Promise.allSettled([get("v1/models"), get("v1/machines")]);
  if (models.status === "fulfilled") {
    for (const entry of models.value.models) {
      if (!networks.has(entry.name)) networks.set(entry.name, entry);
    }
    model.offer([...networks.values()].map(networkOption));
  }
  if (machines.status === "fulfilled") machine.offer(machineOptions(machines.value));
}

/** The catalogue's machines and devices, after those of the fleet. */
function machineOptions({ hardware, fleet }) {
  const ids = new Set(hardware.map((entry) => entry.id));
  const own = fleet
    .filter((m) => !ids.has(m.id))
    .map((m) => ({ value: m.id, detail: "of the fleet" }));
  return [...own, ...hardware.map(machineOption)];
}

function networkOption(entry) {
  const size = [si(entry.params, "params"), si(entry.macs, "MAC")];
  return { value: entry.name, detail: [...size, entry.collection].join(" · ") };
}

function machineOption(entry) {
  const facts = [entry.name === entry.id ? "" : entry.name, entry.kind, si(entry.tdp_w, "W")];
  const memory = entry.mem_bytes ? `${si(entry.mem_bytes, "B")}` : "";
  return { value: entry.id, detail: [...facts, memory].filter(Boolean).join(" · ") };
}

function shown(form, state) {
  for (const field of form.querySelectorAll("[name]")) {
    const value = state[field.name];
    if (field.type === "radio") field.checked = field.value === value;
    else if (field.value !== value) setField(field, value);
  }
  for (const group of form.querySelectorAll("[data-for]")) {
    group.hidden = !group.dataset.for.split(" ").includes(state.task);
  }
  byId("add-pair").hidden = state.view !== "compare" && state.view !== "estimate";
  form.hidden = !["estimate", "compare"].includes(state.view);
}

/** Set a field; a value that a list does not offer is added to it, so that a link is kept. */
function setField(field, value) {
  field.value = value;
  if (field.tagName === "SELECT" && field.value !== value) {
    field.append(el("option", {}, value));
    field.value = value;
  }
}
