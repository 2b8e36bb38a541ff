/** Puts the page together: the address says what is asked, the views answer it. */

import { servingSpoken, servingAnswer, rateCurve } from "./view_serving.js";
import { runAnswer, runSpoken } from "./view_estimate.js";
import { Curves } from "./view_curves.js";
import { Compare } from "./view_compare.js";
import { FleetView } from "./view_fleet.js";
import { AccuracyView } from "./view_accuracy.js";
import { Latest, post } from "./api.js";
import { byId } from "./dom.js";
import { known } from "./format.js";
import { wire } from "./form.js";
import { arrived, problemBox, waiting } from "./parts.js";
import { estimateBody, isServing, servingBody } from "./question.js";
import { MOST_PAIRS, Store } from "./state.js";
import { keepTokens } from "./token.js";

const VIEWS = ["estimate", "compare", "fleet", "accuracy"];
const DRAWN = ["load", "show"];

const say = (words) => (byId("spoken").textContent = words);
const set = (changes) => store.set(changes);
const store = new Store((state, before) => show(state, before));
keepTokens();
const showForm = wire(store);
const answering = new Latest(250);
const curves = new Curves(byId("curves"), set);
const compare = new Compare(byId("pairs"), byId("comparison"), set, say);
const fleet = new FleetView(byId("fleet"), set, say);
const accuracy = new AccuracyView(byId("accuracy"), set);
/** @type {{answer: any, serving: boolean} | null} the newest answer, as long as it is shown */
let answered = null;

byId("add-pair").addEventListener("click", addPair);
for (const link of document.querySelectorAll("[data-view]")) link.addEventListener("click", follow);
show(store.now, null);

/** Show a state; `before` is what was shown, nothing at the start. */
function show(state, before) {
  const view = VIEWS.includes(state.view) ? state.view : "estimate";
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    const here = /** @type {any} */ (link).dataset.view === view;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = titleOf(state, view);
  document.body.dataset.view = view;
  showForm({ ...state, view });
  if (view === "estimate") showEstimate(state, before);
  else if (view === "compare") compare.show(state);
  else if (view === "fleet") fleet.show(state);
  else accuracy.show(state);
}

function showEstimate(state, before) {
  const drawnOnly = before && DRAWN.some((key) => state[key] !== before[key]);
  if (!answered || !drawnOnly) ask(state);
  else if (answered.serving) drawCurve(answered.answer);
  else curves.show(state, known(answered.answer.gpu_energy_j));
}

function ask(state) {
  const serving = isServing(state);
  const body = serving ? servingBody(state) : estimateBody(state);
  const place = byId("answer");
  waiting(place);
  answering.ask(
    (signal) => post(serving ? "v1/serving" : "v1/estimate", body, signal),
    (answer) => {
      arrived(place, ...(serving ? servingAnswer : runAnswer)(answer, state, body));
      answered = { answer, serving };
      if (serving) drawCurve(answer);
      else curves.show(state, known(answer.gpu_energy_j));
      say((serving ? servingSpoken : runSpoken)(answer));
    },
    (problem) => {
      answered = null;
      curves.hide();
      arrived(
        place,
        problemBox(problem, {
          use: (name) => instead(state, problem, name),
          retry: () => ask(state),
        }),
      );
    },
  );
}

function drawCurve(answer) {
  curves.hide();
  arrived(byId("curves"), rateCurve(answer, store.now.load, set));
}

/** Take a name that the service offered, for what it did not know. */
function instead(state, problem, name) {
  const key = ["model", "hw", "region"].find((k) => problem.message.includes(`'${state[k]}'`));
  store.set({ [key ?? "model"]: name });
}

function addPair() {
  const { model, hw, pair } = store.now;
  const added = [...new Set([...pair, `${model}@${hw}`])].slice(0, MOST_PAIRS);
  store.set({ view: "compare", pair: added });
}

/** Other views of the same question: the address keeps all of it. */
function follow(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  store.set({ view: event.currentTarget.dataset.view });
  byId("main").focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

function titleOf(state, view) {
  const name = view[0].toUpperCase() + view.slice(1);
  return view === "estimate" ? `${state.model} on ${state.hw} · Joulecast` : `${name} · Joulecast`;
}
