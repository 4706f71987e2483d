// Scrubbed images that could still come back, because a store kept their data.

import { api } from "./api.js";
import { button, open, problem } from "./dialog.js";
import { announce, byId, foreign, h } from "./dom.js";
import { bytes, moment, number } from "./format.js";
import { table } from "./scrubber.js";

/** Scrubbed images per request: the service asks the stores about each. */
const PAGE = 50;

const BY = {
  checksum: "if the hash of the kept data is right",
  revert: "the data is in its place",
  by_hand: "by hand: restore the data in the store first",
  unknown: "unknown: a store does not answer",
};

const place = byId("scrubbed-list");
const footing = byId("scrubbed-footing");
const more = byId("scrubbed-more");
let shown = [];
let lookedAt = 0;
let next = null;

export function start() {
  byId("scrubbed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  more.addEventListener("click", () => read(next));
}

export function load() {
  const query = new URLSearchParams({ limit: PAGE });
  for (const name of ["name", "owner"]) {
    const value = byId(`scrubbed-${name}`).value.trim();
    if (value) query.set(name, value);
  }
  shown = [];
  lookedAt = 0;
  return read(`/v2/retained-images?${query}`);
}

async function read(path) {
  more.disabled = true;
  footing.textContent = "Asking the stores…";
  try {
    const page = await api.get(path);
    shown.push(...page.retained_images);
    lookedAt += page.examined;
    next = page.next ?? null;
    tell();
  } catch (error) {
    footing.textContent = "";
    place.replaceChildren(problem(error));
  }
  more.disabled = false;
  more.hidden = next === null;
}

function tell() {
  const found = `${number(shown.length)} of ${number(lookedAt)} scrubbed images could come back`;
  footing.textContent = found;
  announce(found);
  const heads = ["Image", "Project", "Size", "Deleted", "Comes back", "Kept until", "Action"];
  const rows = shown.map((image) => [
    h("span", { class: "stack" }, foreign(image.name ?? "", 80), h("code", {}, image.id)),
    foreign(image.owner ?? "–", 64),
    bytes(image.size),
    h("time", { datetime: image.deleted_at, class: "nowrap" }, moment(image.deleted_at)),
    h("span", { class: "nowrap" }, BY[image.chance] ?? image.chance),
    image.kept_until ? h("time", { datetime: image.kept_until, class: "nowrap" }, moment(image.kept_until)) : "–",
    ["checksum", "revert"].includes(image.chance) ? button("Revert…", () => revert(image)) : "",
  ]);
  place.replaceChildren(shown.length > 0 ? table("Last scrubbed first", heads, rows) : "");
}

/** Asks, and reverts one image. */
async function revert(image) {
  const isBack = await open({
    title: "Revert a scrubbed image",
    fill: (body, footer, close) => {
      const told = h("div", { "aria-live": "polite" });
      const go = button("Revert", act, { kind: "primary" });
      body.append(
        h("p", {}, foreign(image.name ?? "", 80), " ", h("code", {}, image.id)),
        h("p", {}, "The service reads all of its data and compares the hash before it changes anything. This takes long for a large image."),
        told,
      );
      footer.append(button("Cancel", () => close(), { autofocus: true }), go);
      async function act() {
        go.disabled = true;
        told.replaceChildren(h("p", { class: "muted" }, `Reading ${bytes(image.size)}…`));
        try {
          const options = image.chance === "checksum" ? { verify: "checksum" } : {};
          await api.post(`/v2/images/${encodeURIComponent(image.id)}/actions/revert`, options);
          close(true);
        } catch (error) {
          told.replaceChildren(problem(error));
          go.disabled = false;
        }
      }
    },
  });
  if (!isBack) return;
  announce("The image is active again.");
  await load();
}
