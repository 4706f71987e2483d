// A headless Chromium, and checks for every page that is opened in it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const WIDE = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

export function launch() {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Scrollbars are visible, as for people; grey text makes smaller pictures.
    ignoreDefaultArgs: ["--hide-scrollbars"],
    args: ["--disable-lcd-text", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet],
  });
}

/** A page with its own session; `problems` collects errors. */
export async function open(browser, service, options = WIDE) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // A 4xx response, or an unavailable service, is reported in the page.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) page.problems.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(service.url) && !request.url().startsWith("blob:")) page.problems.push(`asks ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const isWritten = process.env.GLANCE_REVERT_UI !== undefined;
  if (isWritten) await context.route((url) => url.pathname.startsWith("/ui/"), fromFolder);
  // The target of a redirection cannot be replaced.
  await page.goto(`${service.url}/ui${isWritten ? "/" : ""}`);
  return page;
}

/** While the page is being developed: its present files, with the headers of those in the binary. */
async function fromFolder(route) {
  // A test may end before its icon was requested.
  await replaced(route).catch(() => {});
}

async function replaced(route) {
  const name = new URL(route.request().url()).pathname.replace("/ui/", "") || "index.html";
  const response = await route.fetch();
  const body = readFileSync(`${process.env.GLANCE_REVERT_UI}/${name}`, "utf8");
  const login = (await response.text()).match(/data-login="\w+"/)?.[0];
  await route.fulfill({ response, body: login ? body.replace(/data-login="\w+"/, login) : body });
}

/** Pastes the token by keyboard, because the field has the focus. */
export async function signIn(page, token) {
  await page.getByLabel("Token").waitFor();
  await page.keyboard.insertText(token);
  await page.keyboard.press("Enter");
  await rows(page).first().waitFor();
}

export const rows = (page) => page.locator("#rows .row");
export const row = (page, name) => rows(page).filter({ hasText: name });
export const dialog = (page) => page.locator("dialog[open]");
export const selected = (page, count) => page.locator("#selected").getByText(count instanceof RegExp ? count : `${count} selected`).waitFor();
export const inDialog = (page, name) => dialog(page).getByRole("button", { name });

/** Its own policy refused nothing, and there were no errors. */
export async function assertClean(page) {
  assert.deepEqual(page.problems, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.search + location.hash]);
  assert.deepEqual(kept, [0, 0, "", ""]);
}

/** axe-core reports nothing, and nothing is wider than the window. */
export async function assertForEverybody(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const told = found.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join("\n  ")}`);
  assert.deepEqual(told, [], what);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${what}: ${over} px wider than the window`);
}

/** The name of the focused element, close enough to what a screen reader says. */
const focused = () => {
  const element = document.activeElement;
  const named = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent;
  return `${element.getAttribute("role") ?? element.localName}: ${named.trim().replace(/\s+/g, " ")}`;
};

/** Presses Tab until the element with this name has the focus. */
export async function tabTo(page, name, key = "Tab") {
  const seen = [];
  for (let presses = 0; presses < 80; presses += 1) {
    const here = await page.evaluate(focused);
    if (here.match(name)) return here;
    seen.push(here);
    await page.keyboard.press(key);
  }
  throw new Error(`Tab does not lead to ${name}; it leads to\n  ${[...new Set(seen)].join("\n  ")}`);
}
