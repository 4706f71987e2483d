// Assembles the page, and keeps it up to date.

import { api } from "./api.js";
import * as audit from "./audit.js";
import * as bursts from "./bursts.js";
import * as details from "./details.js";
import { announce, byId } from "./dom.js";
import { bytes, images, moment, number, span } from "./format.js";
import * as grid from "./grid.js";
import { hold, release } from "./hold.js";
import { preview, revert } from "./revert.js";
import * as scrubbed from "./scrubbed.js";
import * as scrubber from "./scrubber.js";
import * as session from "./session.js";
import { state } from "./state.js";

/** How often the bar reloads the scrubber's state, and how often a list of moderate length is reloaded. */
const GLANCE = 10_000;
const REFRESH = 60_000;
const MODERATE = 5000;

let isDown = false;
let isReading = false;

function wire() {
  grid.start(open);
  bursts.start();
  scrubbed.start();
  audit.start();
  const on = (id, event, action) => byId(id).addEventListener(event, action);
  on("pause", "click", () => scrubber.pause());
  on("resume", "click", () => scrubber.resume());
  on("accept", "click", () => scrubber.accept());
  on("plan", "click", () => scrubber.showPlan());
  on("refresh", "click", () => refresh());
  on("sign-out", "click", () => session.signOut());
  on("preview", "click", () => preview());
  on("revert", "click", () => act(revert));
  on("hold", "click", () => act(hold));
  on("release", "click", () => act(release));
  on("clear", "click", () => {
    state.select([...state.selected], false);
    grid.focus();
  });
  on("search", "input", (event) => sift({ text: event.target.value }));
  on("kind", "change", (event) => sift({ kind: event.target.value }));
  on("search", "keydown", (event) => event.key === "ArrowDown" && (event.preventDefault(), grid.focus()));
  for (const tab of document.querySelectorAll("[data-view]")) tab.addEventListener("click", () => turn(tab.dataset.view));
  state.addEventListener("rows", footing);
  state.addEventListener("loading", footing);
  state.addEventListener("selection", selection);
  state.addEventListener("rows", selection);
  state.addEventListener("rows", scrubber.foresee);
  api.addEventListener("reached", ({ detail }) => reached(detail));
  document.addEventListener("visibilitychange", () => !document.hidden && glance());
  // A page restored from the browser's cache would still have its token.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

const open = (row) => details.show(row);

/** Applies an action to the selection, then reloads everything. */
async function act(action) {
  if (!(await action())) return;
  await refresh();
  if (document.activeElement === document.body) grid.focus();
}

function sift(change) {
  Object.assign(state, change);
  state.sift();
  announce(`${images(state.shown.length)} shown`);
}

/** Reloads everything that is shown. An error is reported, and the present content stays. */
async function refresh() {
  if (isReading) return;
  isReading = true;
  try {
    await Promise.all([scrubber.load(), bursts.load(), state.load(), scrubber.loadPlan()]);
    if (!byId("audit-view").hidden) await audit.load();
    tell(null);
  } catch (error) {
    tell(error);
  } finally {
    isReading = false;
  }
}

/**
 * Reloads the scrubber's state; also the list, if it is not large and nobody is in the middle of something.
 */
async function glance() {
  if (document.hidden || !api.isSignedIn || isReading) return;
  session.show();
  const age = Date.now() - (state.readAt ?? 0);
  const isFree = !document.querySelector("dialog[open]") && state.rows.length <= MODERATE;
  if (isDown || (isFree && age >= REFRESH)) {
    await refresh();
    return;
  }
  try {
    await scrubber.load();
    scrubber.foresee();
    selection();
    tell(null);
  } catch (error) {
    tell(error);
  }
}

function reached(isThere) {
  if (isThere && isDown) announce("The service answers again.");
  isDown = !isThere;
  byId("down").hidden = isThere;
}

/** An error of the present content, shown above it. */
function tell(error) {
  const place = byId("trouble");
  const text = error && error.reason !== "unreachable" ? error.message : "";
  if (place.textContent !== text) place.textContent = text;
  place.hidden = text === "";
  byId("switch").hidden = error?.status !== 403;
}

function footing() {
  const { shown, rows } = state;
  const size = shown.reduce((sum, row) => sum + (row.size ?? 0), 0);
  const parts = [shown.length === rows.length ? images(rows.length) : `${number(shown.length)} of ${images(rows.length)}`, bytes(size)];
  if (state.isCut) parts.push("more wait: choose a burst");
  if (state.isLoading) parts.push("reading…");
  else if (state.readAt) parts.push(`as of ${moment(state.readAt)}`);
  byId("footing").textContent = parts.join(" · ");
  const isEmpty = shown.length === 0 && !state.isLoading && state.readAt !== null;
  byId("empty").hidden = !isEmpty;
  byId("empty").textContent = rows.length === 0 ? "No image waits to be scrubbed." : "No image fits the filter.";
}

function selection() {
  const chosen = state.chosen();
  byId("selection").hidden = chosen.length === 0;
  if (chosen.length === 0) return;
  const size = chosen.reduce((sum, row) => sum + (row.size ?? 0), 0);
  const seconds = (chosen[0].scrubAt - api.now()) / 1000;
  const first = seconds === Infinity ? "" : seconds <= 0 ? " · first is due" : ` · first in ${span(seconds)}`;
  byId("selected").textContent = `${images(chosen.length)} selected · ${bytes(size)}${first}`;
  byId("release").disabled = !chosen.some((row) => row.hold);
}

function turn(view) {
  for (const tab of document.querySelectorAll("[data-view]")) {
    const isChosen = tab.dataset.view === view;
    if (isChosen) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
    byId(`${tab.dataset.view}-view`).hidden = !isChosen;
  }
  if (view === "audit") audit.load();
  if (view === "scrubbed") scrubbed.load();
}

async function begin() {
  wire();
  byId("switch").addEventListener("click", () => session.signIn().then(refresh));
  await session.signIn();
  byId("page").hidden = false;
  api.onRefused = (error) => session.signIn(error);
  await refresh();
  grid.focus();
  setInterval(glance, GLANCE);
}

begin();
