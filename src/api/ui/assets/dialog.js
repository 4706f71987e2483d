// Dialogs. The browser's own <dialog> keeps the focus inside, and restores it afterwards.

import { h } from "./dom.js";

/** For ids. */
let count = 0;

/**
 * Opens a dialog; resolves with the argument of `close`, or `undefined` if it was closed in another way.
 * `fill(body, footer, close)` adds the content.
 */
export function open({ title, wide = false, lock = false, fill }) {
  count += 1;
  const heading = h("h2", { id: `dialog-${count}` }, title);
  const body = h("div", { class: "dialog-body" });
  const footer = h("div", { class: "dialog-footer" });
  const dialog = h(
    "dialog",
    { "aria-labelledby": heading.id, class: wide ? "wide" : null },
    h("header", {}, heading),
    body,
    footer,
  );
  let result;
  const close = (value) => {
    result = value;
    dialog.close();
  };
  const cancel = (event) => {
    if (lock) event.preventDefault();
  };
  dialog.addEventListener("cancel", cancel);
  // Chromium closes on the second Escape, even if `cancel` is prevented.
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && cancel(event));
  document.body.append(dialog);
  fill(body, footer, close, heading);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
  });
}

/** A button of a dialog. */
export function button(text, onclick, { kind = null, ...more } = {}) {
  return h("button", { type: "button", class: kind, onclick, ...more }, text);
}

/** An error, shown where the action was started. */
export function problem(error) {
  const id = error.requestId ? h("small", {}, `Request ${error.requestId}`) : null;
  return h("p", { class: "problem", role: "alert" }, error.message, id);
}

/** A form's field with its label. */
export function field(label, control, hint = null) {
  count += 1;
  control.id = `field-${count}`;
  if (hint) control.setAttribute("aria-describedby", `hint-${count}`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint && h("small", { id: `hint-${count}` }, hint),
  );
}
