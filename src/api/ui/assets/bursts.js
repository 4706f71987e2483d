// The bursts: deletions of one project with no gap over a minute. A click shows only that burst.

import { api } from "./api.js";
import { announce, byId, foreign, h } from "./dom.js";
import { bytes, images, number, span, window } from "./format.js";
import { urgency } from "./grid.js";
import { state } from "./state.js";

/** If there are more, only their number is shown. */
const MOST = 200;

const list = byId("bursts");
let shown = [];
/** The countdowns: a text node each, and the time that it counts down to. */
let counted = [];

export function start() {
  state.addEventListener("pause", count);
  setInterval(count, 1000);
}

export async function load() {
  const summary = await api.get("/v2/pending-deletes/summary?group_by=burst");
  shown = summary.groups.slice(0, MOST).map((group) => ({
    project: group.project,
    from: group.first_deleted_at,
    to: group.last_deleted_at,
    images: group.images,
    bytes: group.bytes,
    scrubAt: group.first_scrub_at === null ? Infinity : Date.parse(group.first_scrub_at),
  }));
  const still = state.burst && shown.find((burst) => isSame(burst, state.burst));
  // A burst that has grown or shrunk is still the same one for the reader.
  if (state.burst) state.burst = still ?? null;
  fill(summary);
}

const isSame = (one, other) => one.project === other.project && (one.from === other.from || one.to === other.to);

function fill(summary) {
  counted = [];
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const everything = item("all", "Everything that waits", [
    h("span", {}, `${images(summary.images)}, ${bytes(summary.bytes)}`),
  ]);
  everything.addEventListener("click", () => choose(null));
  const left = summary.groups.length - shown.length + summary.other_groups;
  list.replaceChildren(
    h("li", {}, everything),
    ...shown.map((burst) => h("li", {}, make(burst))),
    left > 0 ? h("li", { class: "muted" }, `${number(left)} smaller ones are not shown.`) : "",
  );
  count();
  mark();
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function make(burst) {
  const first = document.createTextNode("");
  const element = item(keyOf(burst), foreign(burst.project ?? "(no project)", 64), [
    h("strong", {}, `${images(burst.images)}, ${bytes(burst.bytes)}`),
    h("span", {}, window(burst.from, burst.to)),
    h("span", { class: "first" }, first),
  ]);
  counted.push({ burst, element, first });
  element.addEventListener("click", () => choose(burst));
  return element;
}

/** Updates the countdowns. */
function count() {
  if (document.hidden) return;
  for (const { burst, element, first } of counted) {
    const seconds = (burst.scrubAt - api.now()) / 1000;
    const [kind, word] = urgency(seconds, burst.scrubAt);
    const left = burst.scrubAt === Infinity ? "not scrubbed" : seconds <= 0 ? "first is due now" : `first in ${span(seconds)}`;
    const text = word === "paused" ? `${left}, paused` : left;
    if (first.data !== text) first.data = text;
    if (element.dataset.urgency !== kind) element.dataset.urgency = kind;
  }
}

function item(key, title, lines) {
  return h("button", { type: "button", class: "burst", "data-key": key }, h("span", { class: "title" }, title), lines);
}

const keyOf = (burst) => `${burst.project} ${burst.from}`;

async function choose(burst) {
  await state.filterByBurst(burst);
  mark();
  announce(`${images(state.shown.length)} shown`);
}

function mark() {
  const chosen = state.burst ? keyOf(state.burst) : "all";
  for (const button of list.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.key === chosen));
  }
}
