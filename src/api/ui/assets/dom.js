// Elements, untrusted texts, and announcements for screen readers.

/** Creates an element. Strings become text nodes: nothing in this page parses markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  const given = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...given);
  return element;
}

export const byId = (id) => document.getElementById(id);

// Controls, invisible characters, and characters that change the direction of text.
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** An untrusted text, with invisible characters made visible. */
export function visible(text) {
  return String(text ?? "").replace(
    UNSEEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same, cut to a number of characters. */
export function short(text, most = 200) {
  const shown = visible(text);
  return shown.length > most ? `${shown.slice(0, most)}…` : shown;
}

/** An element that isolates an untrusted text, whatever its direction. */
export function foreign(text, most = 200) {
  return h("bdi", {}, short(text, most));
}

/** Announces something to screen readers, when they are idle. */
export function announce(text) {
  const region = byId("live");
  // The same words again must be announced, too.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** Copies a text; outside of secure contexts with the older method. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { readonly: true, class: "unseen" });
    field.value = text;
    const host = document.querySelector("dialog[open]") ?? document.body;
    const focused = document.activeElement;
    host.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    focused?.focus();
  }
  announce(`Copied ${text}`);
}

/** Offers a file for download. */
export function download(name, value) {
  const file = new Blob([JSON.stringify(value, null, 2)], { type: "application/json" });
  const link = h("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
