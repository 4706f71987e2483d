// The operator's night, from the first look to the audit, by keyboard only and by mouse.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { PHONE, WIDE, assertClean, assertForEverybody, dialog, inDialog, launch, open, row, rows, selected, signIn, tabTo } from "./browser.mjs";
import { Service, until } from "./service.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  Service.stopAll();
});

/** A demo with a burst of 40 images of one project, one of them without its data. */
async function cloud() {
  const service = await Service.demo();
  const name = (at) => `web-${String(at).padStart(2, "0")}`;
  const ids = service.add({ count: 39, name, owner: "5f0c8d1e2b3a4c5d", ago: 3000, over: 120 });
  ids.push(...service.add({ name: () => "web-lost", owner: "5f0c8d1e2b3a4c5d", ago: 2999, data: false }));
  return { service, ids };
}

const SHAPES = [
  ["a wide window in the light", { ...WIDE, colorScheme: "light" }],
  ["a wide window in the dark", { ...WIDE, colorScheme: "dark" }],
  ["a phone in the light", { ...PHONE, colorScheme: "light" }],
  ["a phone in the dark", { ...PHONE, colorScheme: "dark" }],
];

for (const [shape, options] of SHAPES) {
  test(`the night by mouse, in ${shape}`, async () => {
    const { service, ids } = await cloud();
    const page = await open(browser, service, options);
    await page.getByLabel("Token").waitFor();
    await assertForEverybody(page, "signing in");
    await signIn(page, service.token);
    await row(page, "web-00").waitFor();
    await assertForEverybody(page, "the list");

    await page.getByRole("button", { name: "Pause…" }).click();
    await dialog(page).getByLabel("Reason").fill("web's images are gone");
    await assertForEverybody(page, "the question of a pause");
    await inDialog(page, "Pause").click();
    await page.getByText(/Paused until .* by admin: web's images are gone/).waitFor();

    await page.getByRole("button", { name: /5f0c8d1e2b3a4c5d.*40 images/ }).click();
    await page.getByText("40 of 44 images").waitFor();
    await page.getByLabel("Select all that are shown").click();
    await selected(page, "40 images");
    await assertForEverybody(page, "a selection");
    await page.getByRole("button", { name: "Revert…" }).click();
    await dialog(page).getByText("39 images would come back, 1 cannot").waitFor();
    await dialog(page).getByLabel("Protect them").check();
    await assertForEverybody(page, "the plan of a revert");
    await inDialog(page, "Revert 39 images").click();
    await dialog(page).getByText("39 images came back, 1 cannot").waitFor();
    await assertForEverybody(page, "the results");
    const [file] = await Promise.all([page.waitForEvent("download"), inDialog(page, "Download as JSON").click()]);
    const saved = JSON.parse(readFileSync(await file.path(), "utf8"));
    assert.equal(saved.results.length, 40);
    assert.equal(saved.counts.reverted, 39);
    await inDialog(page, "Close").click();
    assert.deepEqual({ ...service.status(ids[0]) }, { status: "active", protected: 1 });
    assert.equal(service.status(ids[39]).status, "pending_delete");

    // The image that could not come back is still there, selected, and can be held.
    await selected(page, "1 image");
    await page.getByRole("button", { name: "Hold…" }).click();
    await dialog(page).getByLabel("Reason").fill("looking for its file");
    await assertForEverybody(page, "the question of a hold");
    await inDialog(page, "Hold 1 image").click();
    await row(page, "web-lost").getByText("held", { exact: true }).waitFor();
    await row(page, "web-lost").getByRole("button", { name: "web-lost" }).click();
    await dialog(page).getByText(/until released by admin: looking for its file/).waitFor();
    await dialog(page).getByText("missing", { exact: true }).waitFor();
    await dialog(page).getByRole("cell", { name: "hold", exact: true }).waitFor();
    await assertForEverybody(page, "one image");
    await inDialog(page, "Close").click();
    await page.getByRole("button", { name: "Release…" }).click();
    await inDialog(page, "Release 1 image").click();
    await until("the end of the hold", async () => (await service.call("GET", "/v2/scrubber")).body.held_images === 0);

    await page.getByRole("button", { name: /Next pass destroys/ }).click();
    await dialog(page).getByLabel("Due").selectOption("within a day");
    await dialog(page).getByRole("cell", { name: "demo" }).first().waitFor();
    await assertForEverybody(page, "the plan of the scrubber");
    await inDialog(page, "Close").click();
    await page.getByRole("button", { name: "Resume…" }).click();
    await dialog(page).getByText("0 images, 0 B").waitFor();
    await assertForEverybody(page, "the question of a resumption");
    await inDialog(page, "Resume").click();
    await page.getByText("Scrubbing", { exact: true }).waitFor();

    await page.getByRole("button", { name: "Audit" }).click();
    await page.getByRole("cell", { name: "resume", exact: true }).waitFor();
    await page.getByLabel("What was done").selectOption("pauseScrubber");
    await page.getByText(/reason: web's images are gone/).waitFor();
    await assertForEverybody(page, "the audit");
    await assertClean(page);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    assert.equal(await page.getByText("web-lost").count(), 0);
    await page.context().close();
    await service.stop();
  });
}

for (const [shape, options] of [["a wide window", WIDE], ["a phone", PHONE]]) {
  test(`the night by keyboard alone, in ${shape}`, async () => {
    const { service, ids } = await cloud();
    const page = await open(browser, service, options);
    const { keyboard } = page;
    await signIn(page, service.token);
    // The first image gets the focus, once there is one.
    await page.waitForFunction(() => document.activeElement.matches("#rows .row"));

    await tabTo(page, /^button: Pause…/, "Shift+Tab");
    await keyboard.press("Enter");
    await dialog(page).waitFor();
    await tabTo(page, /^input: Reason/);
    await keyboard.insertText("web's images are gone");
    await tabTo(page, /^button: Pause$/);
    await keyboard.press("Enter");
    await page.getByText(/Paused until .* by admin: web's images are gone/).waitFor();

    await tabTo(page, /^button: 5f0c8d1e2b3a4c5d/);
    await keyboard.press("Space");
    await page.getByText("40 of 44 images").waitFor();
    await tabTo(page, /^row: web-/);
    await keyboard.press("End");
    await page.waitForFunction(() => document.activeElement.getAttribute("aria-rowindex") === "41");
    await keyboard.press("Home");
    await keyboard.press("Space");
    await keyboard.press("Shift+ArrowDown");
    await selected(page, "2 images");
    await keyboard.press("Enter");
    await dialog(page).getByText("present", { exact: true }).waitFor();
    await keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement.getAttribute("aria-rowindex") === "3");
    await keyboard.press("Control+a");
    await selected(page, "40 images");

    await tabTo(page, /^button: Preview/);
    await keyboard.press("Enter");
    await dialog(page).getByText("39 images would come back, 1 cannot").waitFor();
    await keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement.id === "preview");
    await tabTo(page, /^button: Revert…/);
    await keyboard.press("Enter");
    await inDialog(page, "Revert 39 images").waitFor();
    assert.equal(service.status(ids[0]).status, "pending_delete");
    await tabTo(page, /^button: Revert 39 images/);
    await keyboard.press("Enter");
    await dialog(page).getByText("39 images came back, 1 cannot").waitFor();
    await tabTo(page, /^button: Close/);
    await keyboard.press("Enter");
    assert.equal(service.status(ids[0]).status, "active");

    await selected(page, "1 image");
    await tabTo(page, /^button: Hold…/);
    await keyboard.press("Enter");
    await tabTo(page, /^button: Hold 1 image/);
    await keyboard.press("Enter");
    await row(page, "web-lost").getByText("held", { exact: true }).waitFor();
    await tabTo(page, /^button: Resume…/, "Shift+Tab");
    await keyboard.press("Enter");
    await dialog(page).getByText("0 images, 0 B").waitFor();
    await tabTo(page, /^button: Resume$/);
    await keyboard.press("Enter");
    await page.getByText("Scrubbing", { exact: true }).waitFor();
    await tabTo(page, /^button: Audit/);
    await keyboard.press("Enter");
    await page.getByRole("cell", { name: "resume", exact: true }).waitFor();
    await tabTo(page, /^button: Sign out/, "Shift+Tab");
    await keyboard.press("Enter");
    await page.getByLabel("Token").waitFor();
    await assertClean(page);
    await page.context().close();
    await service.stop();
  });
}

test("a screen reader is told what it shows, and what has changed", async () => {
  const { service } = await cloud();
  const page = await open(browser, service);
  await signIn(page, service.token);
  const grid = page.getByRole("grid", { name: "Images that wait to be scrubbed" });
  await until("all rows", async () => (await grid.getAttribute("aria-rowcount")) === "45");
  assert.equal(await grid.getAttribute("aria-multiselectable"), "true");
  await page.waitForFunction(() => document.activeElement.matches("#rows .row"));
  await page.keyboard.press("Space");
  const live = page.locator("#live");
  await until("words", async () => /Selected; 1 in all/.test(await live.textContent()));
  assert.equal(await rows(page).first().getAttribute("aria-selected"), "true");
  await page.keyboard.press("c");
  const id = await rows(page).first().getAttribute("data-id");
  await until("words", async () => (await live.textContent()).includes(`Copied ${id}`));
  await page.getByLabel("Filter by name").fill("web-0");
  await until("words", async () => /10 images shown/.test(await live.textContent()));
  await assertClean(page);
  await page.context().close();
  await service.stop();
});
