// Holds and releases images.

import { api } from "./api.js";
import { button, field, open } from "./dialog.js";
import { announce, foreign, h } from "./dom.js";
import { bytes, images, number, reason } from "./format.js";
import { endings, reasonField, submit, table } from "./scrubber.js";
import { state } from "./state.js";

/** The maximum number of ids in one request. */
const BATCH = 1000;

/** Resolves with whether anything was attempted. */
export async function hold() {
  const chosen = state.chosen();
  const { select, until } = endings([["Until it is released", 0], ["24 hours", 24], ["3 days", 72], ["7 days", 168], ["30 days", 720]], 0);
  const why = reasonField();
  return act({
    title: `Hold ${images(chosen.length)}`,
    text: "No scrubber, on any process, destroys a held image. It can be reverted as any other.",
    fields: [field("For", select), field("Reason", why, "Others see it. Optional.")],
    verb: `Hold ${images(chosen.length)}`,
    path: "/v2/pending-deletes/actions/hold",
    options: () => ({ ...(until() && { until: until() }), ...(why.value.trim() && { reason: why.value.trim() }) }),
    chosen,
    done: "held",
  });
}

/** Shows how many of them are due. */
export async function release() {
  const chosen = state.chosen().filter((row) => row.hold);
  if (chosen.length === 0) {
    announce("None of the selected images is held");
    return false;
  }
  const due = chosen.filter((row) => row.scrubAt <= api.now());
  const size = due.reduce((sum, row) => sum + (row.size ?? 0), 0);
  return act({
    title: `Release ${images(chosen.length)}`,
    text:
      due.length > 0
        ? `${images(due.length)}, ${bytes(size)}, are due: the next pass may destroy them at once.`
        : "The scrubber destroys each of them when its time has come.",
    fields: [],
    verb: due.length > 0 ? `Release, and let ${images(due.length)} be destroyed` : `Release ${images(chosen.length)}`,
    isDangerous: due.length > 0,
    path: "/v2/pending-deletes/actions/release",
    options: () => ({}),
    chosen,
    done: "released",
  });
}

async function act({ title, text, fields, verb, isDangerous = false, path, options, chosen, done }) {
  let tried = false;
  await open({
    title,
    fill: (body, footer, close) => {
      const failed = h("div");
      let left = chosen.map((row) => row.id);
      let count = 0;
      const failures = [];
      const go = submit(verb, footer, failed, async () => {
        tried = true;
        while (left.length > 0) {
          const answer = await api.post(path, { ...options(), image_ids: left.slice(0, BATCH) });
          left = left.slice(BATCH);
          count += answer.done;
          failures.push(...answer.failures);
        }
        announce(`${images(count)} ${done}`);
        if (failures.length === 0) close();
        else {
          body.replaceChildren(...told(count, done, failures));
          go.remove();
          cancel.textContent = "Close";
        }
      });
      if (isDangerous) go.classList.replace("primary", "danger");
      const cancel = button("Cancel", () => close(), { autofocus: isDangerous });
      body.append(h("p", {}, text), ...fields, failed);
      footer.append(cancel, go);
    },
  });
  return tried;
}

function told(count, done, failures) {
  return [
    h("p", { class: "figure mixed" }, `${images(count)} ${done}, ${number(failures.length)} not`),
    table(
      "Why not",
      ["Image", "Why", "In words"],
      failures.map((one) => [h("code", {}, one.image_id), reason(one.reason), foreign(one.message, 300)]),
    ),
  ];
}
