// One image: what a revert would restore, whether its data is there, and its audit entries.

import { api } from "./api.js";
import { button, open, problem } from "./dialog.js";
import { copy, foreign, h, short, visible } from "./dom.js";
import { entries } from "./audit.js";
import { bytes, moment, reason, span } from "./format.js";
import { table } from "./scrubber.js";

export function show(row) {
  return open({
    title: short(row.name ?? "", 80) || "(no name)",
    wide: true,
    fill: (body, footer, close) => {
      const path = `/v2/pending-deletes/${encodeURIComponent(row.id)}`;
      const facts = h("div", { "aria-live": "polite" }, h("p", { class: "muted" }, "Asking the stores…"));
      const history = h("div");
      body.append(facts, history);
      footer.append(
        button("Copy id", () => copy(row.id)),
        button("Close", () => close(), { autofocus: true }),
      );
      api.get(path).then(
        (image) => facts.replaceChildren(...told(image, row.hold)),
        (error) => facts.replaceChildren(problem(error)),
      );
      api.get(`/v2/audit?limit=20&image_id=${encodeURIComponent(row.id)}`).then(
        ({ audit }) => audit.length > 0 && history.replaceChildren(entries("What was done to it", audit, { short: true })),
        // Without the service's own tables there is no audit to read.
        () => {},
      );
    },
  });
}

function told(image, hold) {
  const back = image.revertible ? h("span", { class: "yes" }, "yes") : h("span", { class: "no" }, `no: ${reason(image.reason)}`);
  const rule = image.retention_rule === null ? "" : `, rule ${image.retention_rule}`;
  const left = image.seconds_left === null ? "not scrubbed" : `${moment(image.scrub_at)}, in ${span(image.seconds_left)}${rule}`;
  const facts = [
    ["Comes back", back],
    ["Why not", image.message && foreign(image.message, 1000)],
    ["Name", h("bdi", { class: "whole", tabindex: "0", role: "group", "aria-label": "Name" }, visible(image.name ?? "–"))],
    ["Id", h("code", {}, image.id)],
    ["Project", foreign(image.owner ?? "–", 255)],
    ["Size", `${bytes(image.size)}${image.size === null ? "" : ` (${image.size} B)`}`],
    ["Deleted", moment(image.deleted_at)],
    ["Destroyed from", left],
    ["Held", hold && foreign(`${hold.until ? `until ${moment(hold.until)}` : "until released"} by ${hold.by}${hold.reason ? `: ${hold.reason}` : ""}`, 400)],
    ["Visibility", image.visibility],
    ["Format", `${image.disk_format ?? "–"}, ${image.container_format ?? "–"}`],
    ["Tags", words(image.tags)],
    ["Members", words(image.members)],
    ["Properties", words(image.properties)],
  ];
  const list = h("dl", {}, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  if (image.locations.length === 0) return [list];
  const places = image.locations.map((one) => [
    foreign(one.store ?? "–", 64),
    one.scheme ?? "–",
    h("span", { class: one.data === "present" ? "yes" : "no" }, one.data.replaceAll("_", " ")),
    one.comes_back ? "yes" : "no",
    foreign(one.problem ?? "", 300),
  ]);
  return [list, table("Its data", ["Store", "Scheme", "Data", "Comes back", "What is wrong"], places)];
}

function words(list) {
  if (list.length === 0) return null;
  return h("span", { class: "words" }, ...list.slice(0, 100).map((word) => foreign(word, 100)), list.length > 100 ? `and ${list.length - 100} more` : null);
}
