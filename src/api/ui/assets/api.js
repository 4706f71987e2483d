// Uses only the public API. The token is kept here, in memory, and is sent only in headers of requests to this
// service.

/** The folder above `/ui/`, also behind a proxy that adds a path prefix. */
const BASE = new URL("../", document.baseURI);

const UNREACHABLE = "unreachable";

/** An error, with the service's own message if it has one. */
export class ApiError extends Error {
  constructor(status, detail = {}) {
    super(detail.message ?? `The service answered ${status}.`);
    this.status = status;
    this.reason = detail.reason ?? "";
    this.requestId = detail.request_id ?? "";
  }

  /** Whether it may be temporary. */
  get passes() {
    return this.reason === UNREACHABLE || [408, 429, 502, 503, 504].includes(this.status);
  }
}

class Api extends EventTarget {
  #header = null;
  /** Milliseconds by which the service's clock is ahead of this one. */
  #ahead = 0;
  /** Called when a token is refused; resolves when there is another one. */
  onRefused = null;

  get isSignedIn() {
    return this.#header !== null;
  }

  /** Starts using the token. */
  use(kind, token) {
    this.#header = kind === "bearer" ? ["authorization", `Bearer ${token}`] : ["x-auth-token", token];
  }

  forget() {
    this.#header = null;
  }

  /** Now, by the service's clock. */
  now() {
    return Date.now() + this.#ahead;
  }

  get(path, options) {
    return this.call("GET", path, undefined, options);
  }

  post(path, body, options) {
    return this.call("POST", path, body, options);
  }

  /** Sends a request. If the token is refused, asks for a new one and sends the request again. */
  async call(method, path, body, { signal } = {}) {
    for (;;) {
      const used = this.#header;
      try {
        return await this.send(method, path, body, { signal });
      } catch (error) {
        if (error.status !== 401 || !this.onRefused) throw error;
        // Meanwhile there may be a new one.
        if (used === this.#header) await this.onRefused(error);
      }
    }
  }

  /** Sends a request once. */
  async send(method, path, body, { signal, open = false } = {}) {
    const headers = { accept: "application/json" };
    if (this.#header && !open) headers[this.#header[0]] = this.#header[1];
    if (body !== undefined) headers["content-type"] = "application/json";
    const sent = { method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" };
    if (body !== undefined) sent.body = JSON.stringify(body);
    let answer;
    let text;
    try {
      answer = await fetch(new URL(path.replace(/^\//, ""), BASE), sent);
      text = await answer.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      this.#reached(false);
      throw new ApiError(0, { reason: UNREACHABLE, message: "The service does not answer." });
    }
    this.#reached(![502, 504].includes(answer.status));
    this.#adjust(answer.headers.get("date"));
    const value = parsed(text);
    if (!answer.ok) throw new ApiError(answer.status, value?.error);
    return value;
  }

  /**
   * All entries of a list, page by page. Each page is also passed to `take`, which may return `false` to
   * stop.
   */
  async pages(path, key, take, options) {
    for (let next = path; next; ) {
      const page = await this.get(next, options);
      if (take(page[key]) === false) return;
      next = page.next;
    }
  }

  #adjust(date) {
    const time = Date.parse(date ?? "");
    // The header has whole seconds, so half a second is the best estimate of the rest.
    if (!Number.isNaN(time)) this.#ahead = time + 500 - Date.now();
    if (Math.abs(this.#ahead) < 1500) this.#ahead = 0;
  }

  #reached(isReached) {
    this.dispatchEvent(new CustomEvent("reached", { detail: isReached }));
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const api = new Api();
