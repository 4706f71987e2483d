// The table. Of thousands of rows only the visible ones are in the document; each second only the texts of
// countdowns change.

import { api } from "./api.js";
import { announce, byId, copy, foreign, h, short } from "./dom.js";
import { bytes, images, moment, number, reason, span } from "./format.js";
import { state } from "./state.js";

/** Rows beyond either edge, so that scrolling shows no gap. */
const MARGIN = 8;
const HINT =
  "Arrow keys move, Space selects, Shift with arrows selects on, Control A selects all, Enter shows an image, C copies its id.";

const grid = byId("grid");
const scroller = byId("rows");
const sizer = h("div", { class: "sizer", role: "presentation" });
const all = byId("all");
const narrow = matchMedia("(max-width: 760px)");

/** id -> { element, left, index } of the rows in the document. */
const drawn = new Map();
let active = 0;
let anchor = 0;
let isWanted = false;
let onOpen = () => {};

export function start(open) {
  onOpen = open;
  scroller.append(sizer);
  byId("grid-hint").textContent = HINT;
  scroller.addEventListener("scroll", want, { passive: true });
  new ResizeObserver(want).observe(scroller);
  narrow.addEventListener("change", refill);
  grid.addEventListener("keydown", onKey);
  sizer.addEventListener("click", onClick);
  sizer.addEventListener("focusin", onFocus);
  all.addEventListener("change", () => selectAll(all.checked));
  state.addEventListener("rows", refill);
  state.addEventListener("selection", () => {
    for (const { element } of drawn.values()) mark(element);
    markAll();
  });
  state.addEventListener("pause", tick);
  setInterval(tick, 1000);
}

/** Moves the focus to the current row. */
export function focus() {
  const row = state.shown[active];
  if (row) {
    draw();
    drawn.get(row.id)?.element.focus({ preventScroll: true });
  } else byId("search").focus();
}

/** The same as `--row` in the style sheet. */
const height = () => (narrow.matches ? 84 : 36);

function want() {
  if (isWanted) return;
  isWanted = true;
  requestAnimationFrame(() => {
    isWanted = false;
    draw();
  });
}

/** Shows other rows. */
function refill() {
  const focused = document.activeElement?.closest?.(".row")?.dataset.id;
  for (const { element } of drawn.values()) element.remove();
  drawn.clear();
  const kept = focused ? state.shown.findIndex((row) => row.id === focused) : -1;
  active = Math.max(0, Math.min(kept >= 0 ? kept : active, state.shown.length - 1));
  grid.setAttribute("aria-rowcount", String(state.shown.length + 1));
  grid.setAttribute("aria-busy", String(state.isLoading));
  sizer.style.height = `${state.shown.length * height()}px`;
  markAll();
  draw();
  if (focused) focus();
}

function draw() {
  const size = height();
  const first = Math.max(0, Math.floor(scroller.scrollTop / size) - MARGIN);
  const last = Math.min(state.shown.length - 1, Math.ceil((scroller.scrollTop + scroller.clientHeight) / size) + MARGIN);
  const wanted = new Set();
  for (let index = first; index <= last; index += 1) wanted.add(index);
  // The focused row stays, because otherwise the keyboard would lose its position.
  if (active < state.shown.length) wanted.add(active);
  for (const [id, { element, index }] of drawn) {
    if (wanted.has(index) && state.shown[index]?.id === id) wanted.delete(index);
    else {
      element.remove();
      drawn.delete(id);
    }
  }
  const added = document.createDocumentFragment();
  for (const index of wanted) added.append(make(state.shown[index], index, size));
  sizer.append(added);
}

function make(row, index, size) {
  const left = document.createTextNode("");
  const badge = h("span", { class: "badge" });
  const name = row.name === null || row.name === "" ? "(no name)" : row.name;
  const cell = (kind, ...content) => h("div", { role: "gridcell", class: `cell ${kind}` }, ...content);
  const check = h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${short(name, 80)}` });
  const element = h(
    "div",
    { role: "row", class: "row", "aria-rowindex": index + 2, tabindex: index === active ? "0" : "-1" },
    cell("check", check),
    cell("name", h("button", { type: "button", tabindex: "-1", class: "link open" }, foreign(name))),
    cell(
      "id",
      h("code", { title: row.id }, row.id.slice(0, 8)),
      h("button", { type: "button", tabindex: "-1", class: "copy", "aria-label": `Copy id ${row.id}`, title: "Copy the id" }),
    ),
    cell("project", h("bdi", { title: short(row.owner ?? "") }, short(row.owner ?? "–", 64))),
    cell("size", bytes(row.size)),
    cell("deleted", h("time", { datetime: row.deleted_at, title: row.deleted_at }, moment(row.deleted_at))),
    cell("left", h("span", { class: "countdown" }, left), badge),
    cell("back", back(row)),
    cell("held", row.hold && h("span", { class: "badge held", title: held(row.hold) }, "held")),
  );
  element.dataset.id = row.id;
  element.style.transform = `translateY(${index * size}px)`;
  const entry = { element, left, badge, index };
  drawn.set(row.id, entry);
  count(row, entry);
  mark(element);
  return element;
}

function back(row) {
  return row.revertible
    ? h("span", { class: "yes" }, "yes")
    : h("span", { class: "no", title: row.reason }, `no: ${reason(row.reason)}`);
}

const held = (hold) =>
  `${hold.until ? `until ${moment(hold.until)}` : "until released"} by ${short(hold.by)}${hold.reason ? `: ${short(hold.reason)}` : ""}`;

/**
 * The urgency of a number of seconds, and the word for it. Images that are due only after the pause are not
 * urgent.
 */
export function urgency(seconds, at) {
  if (seconds < 2 * 3600 && at < state.pausedUntil) return ["paused", "paused"];
  if (seconds <= 0) return ["due", "due"];
  if (seconds < 15 * 60) return ["urgent", "urgent"];
  if (seconds < 2 * 3600) return ["soon", "soon"];
  return ["", ""];
}

/** The countdown of a row: changes a text node, and an attribute if the urgency changes. */
function count(row, { element, left, badge }) {
  const seconds = Math.floor((row.scrubAt - api.now()) / 1000);
  const text = seconds === Infinity ? "not scrubbed" : seconds <= 0 ? "now" : span(seconds);
  if (left.data !== text) left.data = text;
  const [kind, word] = row.hold ? ["", ""] : urgency(seconds, row.scrubAt);
  if (element.dataset.urgency !== kind) element.dataset.urgency = kind;
  if (badge.textContent !== word) badge.textContent = word;
}

function tick() {
  if (document.hidden) return;
  for (const entry of drawn.values()) count(state.shown[entry.index], entry);
}

function mark(element) {
  const isSelected = state.selected.has(element.dataset.id);
  element.setAttribute("aria-selected", String(isSelected));
  element.querySelector("input").checked = isSelected;
}

function markAll() {
  const selected = state.shown.reduce((sum, row) => sum + (state.selected.has(row.id) ? 1 : 0), 0);
  all.checked = selected > 0 && selected === state.shown.length;
  all.indeterminate = selected > 0 && !all.checked;
  all.disabled = state.shown.length === 0;
}

export function selectAll(isSelected = true) {
  state.select(state.shown.map((row) => row.id), isSelected);
  announce(`${images(state.selected.size)} selected`);
}

/** Makes a row the current one, and scrolls to it. */
function move(to, { select = false } = {}) {
  const index = Math.max(0, Math.min(to, state.shown.length - 1));
  if (state.shown.length === 0) return;
  setActive(index);
  const [top, size] = [index * height(), height()];
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + size > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + size - scroller.clientHeight;
  if (select) range(anchor, index, true);
  else anchor = index;
  draw();
  focus();
}

function setActive(index) {
  const before = drawn.get(state.shown[active]?.id);
  if (before) before.element.tabIndex = -1;
  active = index;
  const now = drawn.get(state.shown[active]?.id);
  if (now) now.element.tabIndex = 0;
}

function range(from, to, isSelected) {
  const [first, last] = from < to ? [from, to] : [to, from];
  state.select(state.shown.slice(first, last + 1).map((row) => row.id), isSelected);
}

function toggle(index) {
  const row = state.shown[index];
  if (!row) return;
  state.select([row.id], !state.selected.has(row.id));
  anchor = index;
  announce(`${state.selected.has(row.id) ? "Selected" : "Not selected"}; ${number(state.selected.size)} in all`);
}

function onKey(event) {
  if (!event.target.closest(".row")) return;
  const page = Math.max(1, Math.floor(scroller.clientHeight / height()) - 1);
  const select = event.shiftKey;
  const control = event.ctrlKey || event.metaKey;
  const actions = {
    ArrowDown: () => move(active + 1, { select }),
    ArrowUp: () => move(active - 1, { select }),
    PageDown: () => move(active + page, { select }),
    PageUp: () => move(active - page, { select }),
    Home: () => move(0, { select }),
    End: () => move(state.shown.length - 1, { select }),
    " ": () => toggle(active),
    Enter: () => onOpen(state.shown[active]),
    c: control ? null : () => copy(state.shown[active].id),
    a: control ? () => selectAll() : null,
    Escape: () => state.selected.size > 0 && state.select([...state.selected], false),
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (control && event.key.toLowerCase() !== "a") || event.altKey) return;
  event.preventDefault();
  action();
}

const indexOf = (target) => drawn.get(target.closest(".row")?.dataset.id)?.index;

function onClick(event) {
  const index = indexOf(event.target);
  if (index === undefined) return;
  setActive(index);
  if (event.target.closest(".open")) onOpen(state.shown[index]);
  else if (event.target.closest(".copy")) copy(state.shown[index].id);
  else if (event.shiftKey) {
    range(anchor, index, true);
    getSelection().removeAllRanges();
  } else if (!getSelection().toString()) toggle(index);
  // The click has already toggled the checkbox, or was meant for another part of the row.
  for (const { element } of drawn.values()) mark(element);
}

function onFocus(event) {
  const index = indexOf(event.target);
  if (index !== undefined && index !== active) setActive(index);
}
