// Signing in and out. The token is only in the memory of this tab: not in storage, cookies or URLs.

import { api } from "./api.js";
import { field, open, problem } from "./dialog.js";
import { announce, byId, h } from "./dom.js";
import { moment, span } from "./format.js";

/** How long before its end the page warns about it. */
const WARNING = 5 * 60_000;

const hasForm = document.documentElement.dataset.login === "keystone";

let session = null;
let asking = null;

/** Asks for a token until there is a good one; concurrent callers share one dialog. */
export function signIn(refused = null) {
  asking ??= ask(refused).finally(() => {
    asking = null;
  });
  return asking;
}

/** Forgets the token, and everything that was shown with it. */
export function signOut() {
  api.forget();
  location.reload();
}

async function ask(refused) {
  const again = session !== null;
  api.forget();
  byId("opening")?.remove();
  session = await open({
    title: again ? "Sign in again" : "glance-revert",
    lock: true,
    fill: (body, footer, close) => fill(body, footer, close, refused),
  });
  byId("who").textContent = session.name;
  show();
  announce("Signed in.");
}

function fill(body, footer, close, refused) {
  const told = h("div", {}, refused && problem(refused));
  const kinds = { login: loginFields(), token: tokenFields() };
  let kind = hasForm ? "login" : "token";
  const fields = h("div", { class: "fields" });
  const submit = h("button", { class: "primary", form: "sign-in" }, "Sign in");
  const other = h("button", { type: "button", class: "quiet", onclick: () => turn() });
  const choose = (chosen) => {
    kind = chosen;
    fields.replaceChildren(...kinds[kind].elements);
    other.textContent = kind === "login" ? "Use a token" : "Use name and password";
  };
  const turn = () => {
    choose(kind === "login" ? "token" : "login");
    fields.querySelector("input").focus();
  };
  const form = h("form", { id: "sign-in" }, fields);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    told.replaceChildren();
    try {
      const found = await kinds[kind].read();
      await prove();
      form.reset();
      close(found);
    } catch (error) {
      api.forget();
      told.replaceChildren(problem(explained(error)));
    }
    submit.disabled = false;
  });
  choose(kind);
  fields.querySelector("input").autofocus = true;
  body.append(
    h("p", { class: "muted" }, "For admins. The token stays in the memory of this tab and is gone when it closes."),
    told,
    form,
  );
  footer.append(hasForm ? other : "", submit);
}

/** Whether the token is an admin's. */
const prove = () => api.send("GET", "/v2/scrubber");

function explained(error) {
  if (error.status === 403) error.message += " Nothing was read.";
  if (error.status === 401) error.message = `The token is refused. ${error.message}`;
  return error;
}

function tokenFields() {
  const token = h("input", { type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const kind = h(
    "select",
    {},
    h("option", { value: "" }, "by its form"),
    h("option", { value: "keystone" }, "Keystone (X-Auth-Token)"),
    h("option", { value: "bearer" }, "JWT (Authorization: Bearer)"),
  );
  const read = async () => {
    const text = token.value.trim().replace(/^(authorization:\s*)?bearer\s+/i, "");
    if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("That is no token: it has blanks or other characters in it.");
    const claims = claimsOf(text);
    const chosen = kind.value || (claims ? "bearer" : "keystone");
    api.use(chosen, text);
    return {
      name: claims?.preferred_username ?? claims?.name ?? claims?.sub ?? "Keystone token",
      expires: claims?.exp ? claims.exp * 1000 : null,
    };
  };
  return { elements: [field("Token", token), field("Kind", kind)], read };
}

function loginFields() {
  const input = (name, more = {}) => h("input", { name, required: true, autocomplete: "off", ...more });
  const user = input("user", { autocomplete: "username" });
  const password = input("password", { type: "password", autocomplete: "current-password" });
  const project = input("project");
  const [userDomain, projectDomain] = [input("user-domain"), input("project-domain")];
  userDomain.defaultValue = projectDomain.defaultValue = "Default";
  const read = async () => {
    const body = {
      user: user.value,
      password: password.value,
      user_domain: userDomain.value,
      project: project.value,
      project_domain: projectDomain.value,
    };
    const { token, expires_at: expires } = await api.send("POST", "/v2/login", body, { open: true });
    api.use("keystone", token);
    return { name: body.user, expires: Date.parse(expires) };
  };
  const elements = [
    field("User", user),
    field("Password", password),
    field("Project", project),
    h("div", { class: "two" }, field("User's domain", userDomain), field("Project's domain", projectDomain)),
  ];
  return { elements, read };
}

/** The claims of a JWT; `null` for another kind of token. */
function claimsOf(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const text = atob(parts[1].replaceAll("-", "+").replaceAll("_", "/"));
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    // Keystone's own tokens can be JWTs, too, but have no issuer.
    return claims.iss ? claims : null;
  } catch {
    return null;
  }
}

/** Shows until when the token is valid; called every few seconds. */
export function show() {
  if (!session?.expires) {
    byId("expires").textContent = "";
    return;
  }
  const left = session.expires - api.now();
  const ends = left <= 0 ? "token expired" : `token until ${moment(session.expires)}`;
  byId("expires").textContent = left < WARNING && left > 0 ? `token ends in ${span(left / 1000)}` : ends;
  byId("expires").dataset.urgency = left < WARNING ? "soon" : "";
}
