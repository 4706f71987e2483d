// Numbers and times, as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  // A unit stays on the line of its number.
  return `${value.toFixed(digits)}\u00a0${UNITS[unit]}`;
}

const NUMBER = new Intl.NumberFormat("en");

export const number = (count) => NUMBER.format(count);

/** `1 image`, `300 images`. */
export const images = (count) => `${number(count)} ${count === 1 ? "image" : "images"}`;

const two = (value) => String(value).padStart(2, "0");

/** A span of seconds, with reasonable precision. */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 2 * 86_400) return `${Math.floor(s / 86_400)} d ${two(Math.floor((s % 86_400) / 3600))} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${s} s`;
}

const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * A moment in the reader's time zone: only the time if it is today, otherwise with the day, and with the
 * year if that differs.
 */
export function moment(time) {
  if (!time) return "–";
  const [date, now] = [new Date(time), new Date()];
  if (day(date) === day(now)) return clock(date);
  if (date.getFullYear() !== now.getFullYear()) return `${day(date)} ${clock(date).slice(0, 5)}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${clock(date).slice(0, 5)}`;
}

/** From one moment to another. */
export function window(from, to) {
  if (moment(from) === moment(to)) return moment(from);
  const [start, end] = [new Date(from), new Date(to)];
  const ends = day(start) === day(end) ? moment(to).split(" ").at(-1) : moment(to);
  return `${moment(from)} – ${ends}`;
}

const REASONS = {
  "image.no_locations": "no data left",
  "image.data_missing": "data missing",
  "image.unreadable": "rows unreadable",
  "image.already_active": "active already",
  "image.already_scrubbed": "destroyed",
  "image.scrub_in_progress": "being scrubbed",
  "image.delete_in_progress": "being deleted",
  "image.not_verifiable": "not verifiable",
  "image.too_large": "rows too large",
  "image.not_found": "not found",
};

/** A short text for a reason of the API. */
export const reason = (word) => REASONS[word] ?? word;
