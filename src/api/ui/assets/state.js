// The pending images, which of them are shown, and which are selected.

import { api } from "./api.js";

/** Maximum number of rows: beyond it the user has to choose a burst or a filter. */
const MOST = 50_000;

class State extends EventTarget {
  /** All loaded images, in the order in which they will be scrubbed. */
  rows = [];
  /** Those that match the filters. */
  shown = [];
  /** Ids. */
  selected = new Set();
  /** Whether there are more images than were loaded. */
  isCut = false;
  isLoading = false;
  /** When the rows were loaded, by this machine's clock. */
  readAt = null;
  /** Until when nothing is destroyed, even if it is due; 0 without a pause. */
  pausedUntil = 0;
  burst = null;
  text = "";
  kind = "all";

  #byId = new Map();
  #generation = 0;

  row(id) {
    return this.#byId.get(id);
  }

  /** Reloads everything. The first time rows appear as they arrive, later all at once. */
  async load() {
    this.#generation += 1;
    const generation = this.#generation;
    const isFirst = this.readAt === null;
    const found = [];
    this.isLoading = true;
    this.#tell("loading");
    try {
      let isCut = false;
      await api.pages(this.#path(), "pending_deletes", (page) => {
        if (generation !== this.#generation) return false;
        for (const image of page) found.push(prepared(image));
        if (isFirst) this.#take(found.slice(), false);
        isCut = found.length >= MOST;
        return !isCut;
      });
      if (generation !== this.#generation) return;
      this.readAt = Date.now();
      this.#take(found, isCut);
    } finally {
      if (generation === this.#generation) {
        this.isLoading = false;
        this.#tell("loading");
      }
    }
  }

  /** If the list is truncated, a burst's images are requested separately. */
  #path() {
    const query = new URLSearchParams({ limit: 1000, sort: "deleted_at:asc" });
    if (this.isCut && this.burst) {
      if (this.burst.project !== null) query.set("owner", this.burst.project);
      query.set("deleted_after", this.burst.from);
      query.set("deleted_before", new Date(Date.parse(this.burst.to) + 1000).toISOString());
    }
    return `/v2/pending-deletes?${query}`;
  }

  #take(rows, isCut) {
    // The service orders by deletion time, but rules may keep some images for longer.
    rows.sort((one, other) => one.scrubAt - other.scrubAt);
    this.rows = rows;
    this.isCut = isCut || (this.isCut && this.burst !== null);
    this.#byId = new Map(rows.map((row) => [row.id, row]));
    for (const id of this.selected) if (!this.#byId.has(id)) this.selected.delete(id);
    this.sift();
  }

  /** Applies the filters. */
  sift() {
    const text = this.text.trim().toLowerCase();
    const fits = (row) =>
      (!this.burst || isOf(row, this.burst)) &&
      KINDS[this.kind](row) &&
      (text === "" || row.haystack.includes(text));
    this.shown = this.rows.filter(fits);
    this.#tell("rows");
  }

  pause(until) {
    if (this.pausedUntil === until) return;
    this.pausedUntil = until;
    this.#tell("pause");
  }

  async filterByBurst(burst) {
    const mustRead = this.isCut;
    this.burst = burst;
    this.sift();
    if (mustRead) await this.load();
  }

  select(ids, isSelected) {
    for (const id of ids) {
      if (isSelected) this.selected.add(id);
      else this.selected.delete(id);
    }
    this.#tell("selection");
  }

  /** The selected images, in the order of the table. */
  chosen() {
    return this.rows.filter((row) => this.selected.has(row.id));
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}

const KINDS = {
  all: () => true,
  back: (row) => row.revertible,
  lost: (row) => !row.revertible,
  held: (row) => row.hold !== null,
};

function isOf(row, burst) {
  return row.owner === burst.project && row.deleted_at >= burst.from && row.deleted_at <= burst.to;
}

function prepared(image) {
  const haystack = `${image.name ?? ""}\n${image.id}\n${image.owner ?? ""}`.toLowerCase();
  const scrubAt = image.scrub_at === null ? Infinity : Date.parse(image.scrub_at);
  return { ...image, hold: image.hold ?? null, haystack, scrubAt };
}

export const state = new State();
