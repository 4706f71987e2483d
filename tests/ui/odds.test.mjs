// Unusual situations: hostile texts, two tabs, an unavailable service, an expired token, and very many images.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { assertClean, assertForEverybody, dialog, inDialog, launch, open, row, rows, selected, signIn } from "./browser.mjs";
import { Service, keystone, until } from "./service.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  Service.stopAll();
});

test("what a project member wrote is text, whatever is in it", async () => {
  const service = await Service.demo();
  const names = [
    `<img src=x onerror="document.title='harm'">`,
    "</div><script>document.title='harm'</script>",
    "invoice\u202egpj.exe",
    "two\nlines\u0000and\u001b[2K",
    "javascript:alert(1)",
    "x".repeat(10_000),
    "מחק אותי",
  ];
  service.add({ count: names.length, name: (at) => names[at], owner: "<b>owner</b>", ago: 100 });
  const page = await open(browser, service);
  await signIn(page, service.token);
  await row(page, "<img src=x onerror").waitFor();
  await row(page, "invoice\\u202egpj.exe").waitFor();
  await row(page, "two\\u000alines\\u0000and\\u001b[2K").waitFor();
  await row(page, "מחק אותי").waitFor();
  assert.equal(await page.locator("#page img, #page b, #page script").count(), 0);
  const heights = await rows(page).evaluateAll((all) => new Set(all.map((one) => one.getBoundingClientRect().height)).size);
  assert.equal(heights, 1);
  await row(page, "xxxxxxxx").getByRole("button", { name: /^x+/ }).click();
  await until("the whole name", async () => (await dialog(page).locator("dd .whole").textContent()).length === 10_000);
  await assertForEverybody(page, "a name of 10 kB");
  await inDialog(page, "Close").click();
  await page.getByLabel("Select all that are shown").click();
  await page.getByRole("button", { name: "Preview" }).click();
  await dialog(page).getByText("would come back").first().waitFor();
  assert.equal(await page.locator("dialog img, dialog b, dialog script").count(), 0);
  assert.equal(await page.title(), "glance-revert");
  await assertClean(page);
  await page.context().close();
  await service.stop();
});

test("a pass that is too large destroys nothing until somebody has seen its plan and accepts its number", async () => {
  const service = await Service.demo();
  await service.down();
  const ids = service.add({ count: 4, name: (at) => `due-${at}`, owner: "5f0c8d1e2b3a4c5d", ago: 7200 });
  await service.up("[revert]\nmax_images_per_pass = 3");
  const page = await open(browser, service);
  await signIn(page, service.token);
  await page.getByText(/^Limited/).waitFor();
  await page.getByRole("button", { name: "Accept…" }).click();
  await dialog(page).getByText(/more than max_images_per_pass = 3/).waitFor();
  await dialog(page).getByRole("cell", { name: "5f0c8d1e2b3a4c5d" }).waitFor();
  await assertForEverybody(page, "the question of an acceptance");
  await inDialog(page, "Let nothing go").click();
  const waiting = () => ids.filter((id) => service.status(id).status === "pending_delete").length;
  assert.equal(waiting(), 4);
  await page.getByRole("button", { name: "Accept…" }).click();
  await inDialog(page, /^Let \d+ images be destroyed$/).click();
  await until("the end of the pass", () => waiting() === 0);
  await page.getByText("Scrubbing", { exact: true }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Accept…" }).isVisible(), false);
  const { body } = await service.call("GET", "/v2/audit?operation=acceptScrub");
  assert.equal(body.audit.length, 1);
  await assertClean(page);
  await page.context().close();
  await service.stop();
});

test("a scrubbed image whose data is there again is found, and comes back after its hash was compared", async () => {
  const service = await Service.demo();
  await service.down();
  const [id] = service.add({ name: () => "destroyed", owner: "5f0c8d1e2b3a4c5d", ago: 7200 });
  const file = join(service.folder, "images", id);
  const bytes = readFileSync(file);
  await service.up();
  await until("the end of the pass", () => service.status(id).status === "deleted");
  const page = await open(browser, service);
  await signIn(page, service.token);
  await page.getByRole("button", { name: "Scrubbed", exact: true }).click();
  await page.locator("#scrubbed-footing", { hasText: /^0 of [1-9]\d* scrubbed images could come back$/ }).waitFor();
  // As from a backup of the store.
  writeFileSync(file, Buffer.from(bytes).fill("y", 0, 1));
  await page.getByRole("button", { name: "Show", exact: true }).click();
  const found = page.getByRole("row", { name: id });
  await found.getByText("if the hash of the kept data is right").waitFor();
  await assertForEverybody(page, "scrubbed images");
  await found.getByRole("button", { name: "Revert…" }).click();
  await assertForEverybody(page, "the question before a scrubbed image");
  await inDialog(page, "Revert").click();
  await dialog(page).getByRole("alert").waitFor();
  assert.equal(service.status(id).status, "deleted", "other data does not come back");
  writeFileSync(file, bytes);
  await inDialog(page, "Revert").click();
  await until("the image", () => service.status(id).status === "active");
  await page.locator("#scrubbed-footing", { hasText: /^0 of [1-9]/ }).waitFor();
  await page.getByLabel("Name", { exact: true }).fill("no such image");
  await page.keyboard.press("Enter");
  await page.locator("#scrubbed-footing", { hasText: "0 of 0 scrubbed images" }).waitFor();
  await assertClean(page);
  await page.context().close();
  await service.stop();
});

test("two tabs know what the other has done, and neither has the other's token", async () => {
  const service = await Service.demo();
  const [id] = service.add({ name: () => "both" });
  const one = await open(browser, service);
  await signIn(one, service.token);
  await row(one, "both").waitFor();
  const other = await one.context().newPage();
  other.problems = one.problems;
  await other.goto(`${service.url}/ui/`);
  await other.getByLabel("Token").waitFor();
  await signIn(other, service.token);
  for (const page of [one, other]) await row(page, "both").getByRole("checkbox").click();
  await one.getByRole("button", { name: "Revert…" }).click();
  await inDialog(one, "Revert 1 image").click();
  await dialog(one).getByText("1 image came back").waitFor();
  assert.equal(service.status(id).status, "active");
  await other.getByRole("button", { name: "Revert…" }).click();
  await dialog(other).getByText(/0 images would come back, 1 active already/).waitFor();
  assert.equal(await inDialog(other, /^Revert/).count(), 0);
  await inDialog(other, "Cancel").click();
  await other.getByRole("button", { name: "Refresh" }).click();
  await row(other, "both").waitFor({ state: "detached" });
  await assertClean(one);
  await one.context().close();
  await service.stop();
});

test("a service that is started anew under the page is found again, and nothing is lost", async () => {
  const service = await Service.demo();
  const ids = service.add({ count: 5, name: (at) => `kept-${at}` });
  const page = await open(browser, service);
  await signIn(page, service.token);
  await row(page, "kept-0").getByRole("checkbox").click();
  await service.down();
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByText("The service does not answer. What is shown may be old").waitFor();
  await assertForEverybody(page, "a service that is away");
  await row(page, "kept-0").waitFor();
  await page.getByRole("button", { name: "Revert…" }).click();
  await dialog(page).getByText("The service does not answer.").waitFor();
  await service.up();
  await inDialog(page, "Go on with the other 1").click();
  await inDialog(page, "Revert 1 image").click();
  await dialog(page).getByText("1 image came back").waitFor();
  assert.equal(service.status(ids[0]).status, "active");
  await inDialog(page, "Close").click();
  await page.getByText("What is shown may be old").waitFor({ state: "hidden" });
  await row(page, "kept-0").waitFor({ state: "detached" });
  await assertClean(page);
  await page.context().close();
  await service.stop();
});

test("a token that is no good is told so, and one that ends is asked for again without losing the selection", async () => {
  const service = await Service.demo();
  service.add({ count: 3, name: (at) => `mine-${at}` });
  const page = await open(browser, service);
  await page.getByLabel("Token").fill("eyJhbGciOiJub25lIn0.e30.x");
  await page.keyboard.press("Enter");
  await page.getByText("The token is refused.").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.getByLabel("Token").fill("two words");
  await page.keyboard.press("Enter");
  await page.getByText("That is no token").waitFor();
  await page.getByLabel("Token").fill(service.token);
  await page.keyboard.press("Enter");
  await row(page, "mine-0").getByRole("checkbox").click();
  await page.getByText(/token until/).waitFor();
  // Its end, according to the service.
  await page.route("**/v2/pending-deletes/actions/revert", (route) => route.fulfill({ status: 401, json: { error: { code: 401, reason: "auth.token_invalid", message: "It has expired." } } }), { times: 1 });
  await page.getByRole("button", { name: "Revert…" }).click();
  await page.getByRole("heading", { name: "Sign in again" }).waitFor();
  await page.getByLabel("Token").fill(service.token);
  await page.keyboard.press("Enter");
  await inDialog(page, "Revert 1 image").waitFor();
  await assertClean(page);
  await page.context().close();
  await service.stop();
});

test("a name and a password become a token where the service says so, and the password is not kept", async () => {
  const there = await keystone("s3cret words", "gAAAAAtoken");
  const service = await Service.demo();
  await service.down();
  await service.up(`[revert]\nui_login = keystone\n\n[keystone_authtoken]\nauth_type = none\nauth_url = ${there.url}\n`);
  const page = await open(browser, service);
  await page.getByLabel("User", { exact: true }).waitFor();
  await assertForEverybody(page, "the form");
  for (const text of ["alice", "wrong", "ops"]) {
    await page.keyboard.insertText(text);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByText("Keystone refuses this name").waitFor();
  await assertForEverybody(page, "a refusal");
  await page.getByLabel("Password").fill("s3cret words");
  await page.keyboard.press("Enter");
  await rows(page).first().waitFor();
  await page.locator("#who").getByText("alice").waitFor();
  assert.equal(await page.getByLabel("Password").count(), 0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("User", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Use a token" }).click();
  await signIn(page, service.token);
  await assertClean(page);
  await page.context().close();
  await service.stop();
  there.stop();
});

test("30,000 images are scrolled without a stall, and a second's tick changes countdowns alone", async () => {
  const service = await Service.demo();
  service.add({ count: 30_000, name: (at) => `many-${at}`, owner: "crowd", ago: 600, over: 1800, data: false });
  const page = await open(browser, service);
  await signIn(page, service.token);
  await page.getByText(/^30,00[45] images .* as of/).waitFor({ timeout: 60_000 });
  assert.ok((await rows(page).count()) < 80);

  // Each frame of a scroll from end to end was drawn in time, and contains rows.
  const ride = await page.evaluate(async () => {
    const scroller = document.getElementById("rows");
    const frame = () => new Promise(requestAnimationFrame);
    const [steps, gaps] = [120, []];
    let [longest, before] = [0, performance.now()];
    for (let step = 0; step <= steps; step += 1) {
      scroller.scrollTop = ((scroller.scrollHeight - scroller.clientHeight) * step) / steps;
      await frame();
      await frame();
      const now = performance.now();
      longest = Math.max(longest, now - before);
      before = now;
      const box = scroller.getBoundingClientRect();
      if (!document.elementFromPoint(box.x + 60, box.y + box.height / 2)?.closest(".row")) gaps.push(step);
    }
    return { longest, gaps };
  });
  assert.deepEqual(ride.gaps, []);
  assert.ok(ride.longest < 400, `${ride.longest} ms for two frames`);

  const changes = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const seen = [];
        new MutationObserver((all) => seen.push(...all.map((one) => [one.type, one.target.parentElement?.className]))).observe(
          document.getElementById("grid"),
          { subtree: true, childList: true, characterData: true, attributes: true },
        );
        setTimeout(() => resolve(seen), 2500);
      }),
  );
  assert.ok(changes.length > 0);
  assert.deepEqual(changes.filter(([type, parent]) => type !== "characterData" || parent !== "countdown"), []);

  await page.getByLabel("Select all that are shown").click();
  await selected(page, /30,00[45] images selected/);
  await page.getByLabel("Filter by name").fill("many-29999");
  await page.getByText(/1 of 30,00[45] images/).waitFor();
  await assertClean(page);
  await page.context().close();
  await service.stop();
});
