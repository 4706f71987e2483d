// Recorded changes, and who made them.

import { api } from "./api.js";
import { problem } from "./dialog.js";
import { announce, byId, download, foreign, h } from "./dom.js";
import { moment, number } from "./format.js";
import { table } from "./scrubber.js";

const WORDS = {
  revertImage: "revert",
  scrubImage: "destroyed",
  scrubRemovedLocations: "removed locations destroyed",
  purgeRetained: "kept data removed",
  holdImage: "hold",
  releaseImage: "release",
  pauseScrubber: "pause",
  resumeScrubber: "resume",
  acceptScrub: "accept",
};

const place = byId("audit-list");
const more = byId("audit-more");
let shown = [];
let next = null;

export function start() {
  const select = byId("audit-operation");
  for (const [operation, word] of Object.entries(WORDS)) select.append(h("option", { value: operation }, `${word} (${operation})`));
  byId("audit-form").addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  select.addEventListener("change", load);
  more.addEventListener("click", () => read(next));
  byId("audit-save").addEventListener("click", () => download(`glance-revert-audit-${new Date(api.now()).toISOString()}.json`, shown));
}

export function load() {
  const query = new URLSearchParams({ limit: 100 });
  for (const name of ["operation", "actor", "image_id"]) {
    const value = byId(`audit-${name.replace("_id", "")}`).value.trim();
    if (value) query.set(name, value);
  }
  shown = [];
  return read(`/v2/audit?${query}`);
}

async function read(path) {
  try {
    const page = await api.get(path);
    shown.push(...page.audit);
    next = page.next ?? null;
    place.replaceChildren(shown.length > 0 ? entries("Newest first", shown) : h("p", { class: "muted" }, "Nothing fits."));
    announce(`${number(shown.length)} entries`);
  } catch (error) {
    place.replaceChildren(problem(error));
  }
  more.hidden = next === null;
  byId("audit-save").hidden = shown.length === 0;
}

/** A table of entries; `short` omits columns that are the same for one image. */
export function entries(caption, audit, { short: isShort = false } = {}) {
  const heads = ["When", "What", "Image", "Project", "Who", "From", "Details"];
  const left = isShort ? [2, 3] : [];
  const cut = (cells) => cells.filter((_, at) => !left.includes(at));
  return table(
    caption,
    cut(heads),
    audit.map((entry) =>
      cut([
        h("time", { datetime: entry.at, class: "nowrap" }, moment(entry.at)),
        h("span", { title: entry.operation }, WORDS[entry.operation] ?? entry.operation),
        entry.image_id ? h("span", { class: "stack" }, entry.name ? foreign(entry.name, 80) : null, h("code", {}, entry.image_id)) : "–",
        foreign(entry.owner ?? "–", 64),
        h("span", { class: "stack" }, foreign(entry.actor_name ?? entry.actor, 80), entry.actor_name ? h("code", {}, foreign(entry.actor, 64)) : ""),
        entry.source,
        foreign(details(entry.details), 300),
      ]),
    ),
  );
}

function details(value) {
  const text = (one) => (one !== null && typeof one === "object" ? JSON.stringify(one) : String(one));
  return Object.entries(value ?? {})
    .filter(([, one]) => one !== null && !(Array.isArray(one) && one.length === 0))
    .map(([key, one]) => `${key}: ${text(one)}`)
    .join("; ");
}
