// The bar at the top: the scrubber's state, what it will destroy next, pause, resume and accept.

import { api } from "./api.js";
import { button, field, open, problem } from "./dialog.js";
import { announce, byId, foreign, h } from "./dom.js";
import { bytes, images, moment, reason } from "./format.js";
import { state } from "./state.js";

/** The meaning of the API's `state`, and how the bar looks in it. */
const STATES = {
  on: ["running", "Scrubbing"],
  paused: ["paused", "Paused"],
  limited: ["limited", "Limited: more is due than a pass may destroy, so it destroys nothing"],
  off: ["idle", "This process does not scrub"],
  scrub_time_unset: ["idle", "scrub_time is not set: nothing is scrubbed"],
  scrub_time_unknown: ["idle", "A glance-scrubber.conf cannot be read: nothing is scrubbed"],
  scrub_time_too_short: ["idle", "scrub_time is too short: nothing is scrubbed"],
};

const HOUR = 3600;

let status = null;

/** Loads and shows the state; untrusted texts are isolated with `bdi`. */
export async function load() {
  status = await api.get("/v2/scrubber");
  const [kind, words] = STATES[status.state] ?? ["idle", status.state];
  const { pause } = status;
  const text = [words];
  if (status.state === "paused" && pause) {
    text.push(pause.until ? ` until ${moment(pause.until)}` : "", " by ", foreign(pause.by, 60));
    if (pause.reason) text.push(": ", foreign(pause.reason, 120));
  }
  const line = h("span", {}, ...text.filter((part) => part !== ""));
  const shown = byId("state-text");
  // Screen readers hear only changes.
  if (shown.textContent !== line.textContent) shown.replaceChildren(...line.childNodes);
  byId("bar").dataset.state = kind;
  state.pause(pause ? (pause.until ? Date.parse(pause.until) : Infinity) : 0);
  byId("pause").hidden = kind === "idle" || kind === "paused";
  byId("resume").hidden = status.state !== "paused";
  byId("accept").hidden = status.state !== "limited";
  byId("held-count").textContent = status.held_images ? `${images(status.held_images)} held` : "";
}

/** What the next pass would destroy. */
export async function loadPlan() {
  const now = await planned(0);
  byId("plan-now").textContent = now ? `${images(now.images)}, ${bytes(now.bytes)}` : "nothing";
  byId("plan-now").dataset.any = now?.images > 0;
}

/**
 * What is due within an hour, according to the loaded rows: for so many images the service needs long to
 * make a plan.
 */
export function foresee() {
  const end = api.now() + HOUR * 1000;
  const due = state.rows.filter((row) => row.scrubAt <= end && !row.hold);
  const size = due.reduce((sum, row) => sum + (row.size ?? 0), 0);
  byId("due-hour").textContent = `${images(due.length)}, ${bytes(size)}`;
}

/** `null` if nothing is scrubbed. */
async function planned(within) {
  try {
    return await api.get(`/v2/scrubber/plan?within=${within}`);
  } catch (error) {
    if (error.status === 409) return null;
    throw error;
  }
}

/** Shows the whole plan. */
export function showPlan() {
  return open({
    title: "What the scrubber would destroy",
    wide: true,
    fill: (body, footer, close) => {
      const list = h("div", { "aria-live": "polite" });
      const within = h(
        "select",
        {},
        ...[["now", 0], ["within an hour", HOUR], ["within a day", 24 * HOUR], ["within a week", 7 * 24 * HOUR]].map(
          ([words, seconds]) => h("option", { value: seconds }, words),
        ),
      );
      const fill = async () => {
        list.replaceChildren(h("p", { class: "muted" }, "Reading…"));
        try {
          list.replaceChildren(...plan(await planned(within.value)));
        } catch (error) {
          list.replaceChildren(problem(error));
        }
      };
      within.addEventListener("change", fill);
      body.append(field("Due", within), list);
      footer.append(button("Close", () => close(), { autofocus: true }));
      fill();
    },
  });
}

function plan(found) {
  if (!found) return [h("p", {}, "Nothing: this process scrubs nothing.")];
  const told = [h("p", { class: "figure" }, `${images(found.images)}, ${bytes(found.bytes)}`)];
  if (!found.complete) {
    told.push(h("p", { class: "muted" }, "There may be more: leftovers of interrupted deletions, for which passes go on searching."));
  }
  if (found.message) told.push(h("p", { class: "problem" }, found.message));
  if (found.groups.length > 0) {
    told.push(
      table(
        "By project and store",
        ["Project", "Store", "Images", "Bytes", "First lost"],
        found.groups.map((group) => [
          foreign(group.project ?? "–", 64),
          foreign(group.store ?? "–", 64),
          String(group.images),
          bytes(group.bytes),
          moment(group.first_scrub_at),
        ]),
      ),
    );
  }
  if (found.stopped.length > 0) {
    told.push(
      table(
        "Due too, and left alone",
        ["Why", "Images", "Bytes"],
        found.stopped.map((stopped) => [reason(stopped.reason), String(stopped.images), bytes(stopped.bytes)]),
      ),
    );
  }
  return told;
}

export function table(caption, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))))),
    ),
  );
}

/** Options for the end, as RFC 3339; `null` for none. */
export function endings(choices, chosen) {
  const select = h("select", {}, ...choices.map(([words, hours]) => h("option", { value: hours, selected: hours === chosen }, words)));
  const until = () => (select.value === "0" ? null : new Date(api.now() + Number(select.value) * HOUR * 1000).toISOString());
  return { select, until };
}

/** A field for free text. */
export const reasonField = () => h("input", { maxlength: "1000", autocomplete: "off" });

export async function pause() {
  const done = await open({
    title: "Pause the scrubber",
    fill: (body, footer, close) => {
      const { select, until } = endings([["1 hour", 1], ["8 hours", 8], ["24 hours", 24], ["3 days", 72], ["7 days", 168]], 24);
      const why = reasonField();
      const failed = h("div");
      const go = submit("Pause", footer, failed, async () => {
        const body = { until: until() };
        if (why.value.trim()) body.reason = why.value.trim();
        close(await api.post("/v2/scrubber/actions/pause", body));
      });
      body.append(
        h("p", {}, "No process on this database destroys anything until then. A pass that runs stops; reverts work on."),
        field("For", select),
        field("Reason", why, "Others see it. Optional."),
        failed,
      );
      footer.append(button("Cancel", () => close()), go);
    },
  });
  if (!done) return;
  const claims = done.claims_in_hand;
  announce(claims > 0 ? `Paused; ${images(claims)} were claimed before` : "Paused");
  await load();
}

export async function resume() {
  const done = await lettingGo({
    title: "Resume the scrubber",
    words: "Due now, and destroyed by the next pass:",
    no: "Stay paused",
    yes: (count) => (count > 0 ? `Resume, and let ${images(count)} be destroyed` : "Resume"),
    act: () => api.post("/v2/scrubber/actions/resume"),
  });
  if (!done) return;
  announce("The scrubber is not paused any more");
  await Promise.all([load(), loadPlan()]);
}

/** Accepts one pass that is larger than the limits allow. */
export async function accept() {
  const done = await lettingGo({
    title: "Accept a large pass",
    words: "More is due than a pass may destroy. If all of this may go, the next pass begins at once and destroys so many images at most:",
    no: "Let nothing go",
    yes: (count) => (count > 0 ? `Let ${images(count)} be destroyed` : null),
    act: (count) => api.post("/v2/scrubber/actions/accept", { images: count }),
  });
  if (!done) return;
  announce(`The next pass may destroy ${images(done.images)}`);
  await Promise.all([load(), loadPlan()]);
}

/**
 * First shows what would be destroyed. `yes` makes the button's label from the number of images; `null` if
 * there is nothing to do.
 */
function lettingGo({ title, words, no, yes, act }) {
  return open({
    title,
    wide: true,
    fill: (body, footer, close) => {
      const told = h("div", { "aria-live": "polite" }, h("p", { class: "muted" }, "Asking what is due…"));
      const failed = h("div");
      let count = 0;
      const go = submit(yes(0) ?? "Accept", footer, failed, async () => close(await act(count)));
      go.disabled = true;
      go.classList.replace("primary", "danger");
      planned(0).then(
        (due) => {
          count = due?.images ?? 0;
          told.replaceChildren(...plan(due));
          const text = yes(count);
          if (!text) return;
          go.textContent = text;
          go.disabled = false;
        },
        (error) => told.replaceChildren(problem(error)),
      );
      body.append(h("p", {}, words), told, failed);
      footer.append(button(no, () => close(), { autofocus: true }), go);
    },
  });
}

/** A button that runs an action once, and shows its error. */
export function submit(text, footer, failed, action) {
  const go = button(
    text,
    async () => {
      go.disabled = true;
      failed.replaceChildren();
      try {
        await action();
      } catch (error) {
        failed.replaceChildren(problem(error));
      }
      go.disabled = false;
    },
    { kind: "primary" },
  );
  return go;
}
