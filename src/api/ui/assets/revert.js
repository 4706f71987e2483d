// Reverts: the plan, the question, the progress, and the result of each image.

import { api } from "./api.js";
import { button, open, problem } from "./dialog.js";
import { announce, download, foreign, h } from "./dom.js";
import { bytes, images, number, reason } from "./format.js";
import { table } from "./scrubber.js";
import { state } from "./state.js";

/** Images per request: a response arrives about every second, so a stop takes effect quickly. */
const BATCH = 250;
/** Result rows that are shown; the file has all of them. */
const LISTED = 200;

/** Requests a dry run. */
export const preview = () => show({ title: "Preview", only: true });

/** Shows the plan, asks, and reverts the selection. Resolves with whether anything was attempted. */
export const revert = () => show({ title: "Revert", only: false });

async function show({ title, only }) {
  const chosen = state.chosen();
  if (chosen.length === 0) return false;
  const run = new Run(chosen.map((row) => row.id));
  let tried = false;
  await open({
    title: `${title}: ${images(chosen.length)}`,
    wide: true,
    fill: async (body, footer, close, heading) => {
      heading.tabIndex = -1;
      heading.autofocus = true;
      const stop = button("Cancel", () => close());
      footer.append(stop);
      const plan = await run.go(body, { dry_run: true }, "Asking the stores");
      if (!plan) return;
      stop.textContent = only ? "Close" : "Cancel";
      if (only) footer.prepend(saveButton("preview", plan));
      else question(body, footer, plan, async (options, go) => {
        tried = true;
        go.remove();
        stop.textContent = "Stop";
        const result = await run.go(body, options, "Bringing back");
        stop.textContent = "Close";
        if (result) footer.prepend(saveButton("revert", result));
        heading.focus();
      });
    },
  }).finally(() => run.stop());
  return tried;
}

function question(body, footer, plan, act) {
  const protect = h("input", { type: "checkbox" });
  const members = h("input", { type: "checkbox", checked: true });
  const count = plan.counts.reverted;
  const failed = plan.counts.failed + plan.counts.unknown;
  body.append(
    h(
      "fieldset",
      {},
      h("legend", {}, "How"),
      h("label", { class: "check" }, protect, " Protect them, so that Glance refuses to delete them again"),
      h("label", { class: "check" }, members, " Members come back, too"),
    ),
  );
  if (count === 0) return;
  if (failed > 0) body.append(h("p", {}, `Left as they are: ${images(failed)}.`));
  const go = button(
    `Revert ${images(count)}`,
    () => act({ protect: protect.checked, members: members.checked ? "restore" : "skip" }, go),
    { kind: "primary" },
  );
  footer.append(go);
}

const saveButton = (name, result) =>
  button("Download as JSON", () => download(`glance-revert-${name}-${new Date(api.now()).toISOString()}.json`, result));

/** One selection, in requests of limited size. */
class Run {
  #ids;
  #stopper = new AbortController();

  constructor(ids) {
    this.#ids = ids;
  }

  stop() {
    this.#stopper.abort();
  }

  /** Shows its progress and its results; `null` if it was stopped. */
  async go(body, options, words) {
    const bar = h("progress", { max: this.#ids.length, value: 0, "aria-label": words });
    const line = h("p", {}, `${words}: 0 of ${number(this.#ids.length)}`);
    const failed = h("div");
    body.replaceChildren(line, bar, failed);
    announce(`${words}: ${images(this.#ids.length)}`);
    const results = [];
    let left = this.#ids;
    while (left.length > 0) {
      try {
        const some = left.slice(0, BATCH);
        const request = { dry_run: false, ...options, image_ids: some };
        const answer = await api.post("/v2/pending-deletes/actions/revert", request, { signal: this.#stopper.signal });
        const tried = new Set(answer.results.map((result) => result.image_id));
        results.push(...answer.results);
        left = [...some.filter((id) => !tried.has(id)), ...left.slice(BATCH)];
        if (tried.size === 0) throw new Error("The service tried none of the images.");
      } catch (error) {
        if (this.#stopper.signal.aborted) return null;
        // The request may be repeated: an image that was already reverted is not a failure.
        await again(failed, error, left.length);
        failed.replaceChildren();
      }
      bar.value = results.length;
      line.textContent = `${words}: ${number(results.length)} of ${number(this.#ids.length)}`;
    }
    const whole = { dry_run: options.dry_run === true, counts: tally(results), results };
    body.replaceChildren(...told(whole));
    announce(summary(whole));
    return whole;
  }
}

/** Waits until the user continues after a failure. */
function again(place, error, left) {
  announce(error.message);
  return new Promise((resolve) => {
    const go = button(`Go on with the other ${number(left)}`, resolve, { kind: "primary" });
    place.replaceChildren(problem(error), go);
    go.focus();
  });
}

function tally(results) {
  const counts = { reverted: 0, already_active: 0, failed: 0, unknown: 0, reasons: {} };
  for (const { outcome, reason: why } of results) {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (why) counts.reasons[why] = (counts.reasons[why] ?? 0) + 1;
  }
  return counts;
}

function summary({ dry_run: isDry, counts }) {
  const parts = [`${images(counts.reverted)} ${isDry ? "would come back" : "came back"}`];
  if (counts.already_reverted > 0) parts.push(`${number(counts.already_reverted)} back already`);
  if (counts.already_active > 0) parts.push(`${number(counts.already_active)} active already`);
  if (counts.failed > 0) parts.push(`${number(counts.failed)} cannot`);
  if (counts.unknown > 0) parts.push(`${number(counts.unknown)} unknown: look at them again`);
  return parts.join(", ");
}

const OUTCOMES = { reverted: "back", already_reverted: "back already", already_active: "active already", failed: "cannot", unknown: "unknown" };

function told(whole) {
  const { results, counts, dry_run: isDry } = whole;
  const reasons = Object.entries(counts.reasons).sort((one, other) => other[1] - one[1]);
  // Failures first, because successes need little explanation.
  const listed = [...results].sort((one, other) => weight(one) - weight(other)).slice(0, LISTED);
  const word = (result) => (isDry && result.outcome === "reverted" ? "would come back" : OUTCOMES[result.outcome] ?? result.outcome);
  const parts = [h("p", { class: `figure ${counts.failed + counts.unknown > 0 ? "mixed" : "good"}` }, summary(whole))];
  if (reasons.length > 0) {
    parts.push(h("ul", { class: "reasons" }, ...reasons.map(([why, count]) => h("li", {}, `${number(count)}: ${reason(why)}`, " ", h("code", {}, why)))));
  }
  parts.push(
    table(
      listed.length < results.length ? `The first ${listed.length} of ${number(results.length)}` : "Each image",
      ["Image", "Size", "Outcome", "What to know"],
      listed.map((result) => {
        const row = state.row(result.image_id);
        const name = row?.name ? foreign(row.name, 80) : null;
        const what = [result.message, ...result.warnings].filter(Boolean).join(" ");
        return [
          h("span", { class: "stack" }, name, h("code", {}, result.image_id)),
          bytes(row?.size),
          h("span", { class: result.reason ? "no" : "yes" }, word(result)),
          foreign(what || comesBack(result.restored), 400),
        ];
      }),
    ),
  );
  return parts;
}

const weight = (result) => (result.outcome === "failed" || result.outcome === "unknown" ? 0 : result.warnings.length > 0 ? 1 : 2);

/** `1 location, 4 properties, 2 tags`. */
function comesBack(restored) {
  if (!restored) return "";
  const words = { locations: "location", properties: "property", tags: "tag", members: "member" };
  const plural = (word) => (word === "property" ? "properties" : `${word}s`);
  const parts = Object.entries(words).filter(([key]) => restored[key] > 0);
  return parts.map(([key, word]) => `${restored[key]} ${restored[key] === 1 ? word : plural(word)}`).join(", ");
}

