// The pictures of docs/: the page during an operator's night.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { PHONE, WIDE, dialog, launch, open, row, signIn } from "./browser.mjs";
import { Service } from "./service.mjs";

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

const service = await Service.demo();
const [web, data, build] = ["7d1f4c0b92e84a6fb2d35a1e0c9f6e48", "c02b9a5e6f6d4d0fa3f1d7b8a4e91c55", "1f6a3be7d45c4a86b7e0f92c8a3d5b10"];
const bases = ["web", "api", "worker", "cache"];
service.add({ count: 300, name: (at) => `${bases[at % 4]}-golden-2026.${10 + (at % 3)}-${String(at + 1).padStart(3, "0")}`, owner: web, ago: 1790, over: 230 });
service.add({ count: 24, name: (at) => `spark-3.5-node-${at + 1}`, owner: data, ago: 2960, over: 40 });
service.add({ count: 2, name: (at) => `ci-runner-${at + 1}`, owner: build, ago: 3250, data: false });
const held = service.add({ count: 3, name: (at) => `release-2026.11-rc${at + 1}`, owner: build, ago: 3120 });
await service.call("POST", "/v2/pending-deletes/actions/hold", { image_ids: held, reason: "the release team looks at them" });

const browser = await launch();

async function shot(name, options, act = async () => {}) {
  const page = await open(browser, service, options);
  await signIn(page, service.token);
  await row(page, "spark").first().waitFor();
  await page.getByText("as of").waitFor();
  await page.locator("#plan-now").getByText("images").waitFor();
  await act(page);
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  execFileSync("pngquant", ["--force", "--ext", ".png", "--strip", "--speed", "1", "128", path]);
  await page.context().close();
}

async function revert(page) {
  await page.getByRole("button", { name: /300 images/ }).click();
  await page.getByLabel("Select all that are shown").click();
  await page.getByRole("button", { name: "Revert…" }).click();
  await dialog(page).getByText(/would come back/).first().waitFor();
}

await shot("page", WIDE, async (page) => {
  for (const name of ["spark-3.5-node-1", "spark-3.5-node-2"]) await row(page, name).first().getByRole("checkbox").click();
});
await shot("page-revert", WIDE, revert);
await shot("page-image", WIDE, async (page) => {
  await page.getByRole("button", { name: /^demo/ }).click();
  await page.getByRole("button", { name: "debian-12-golden" }).click();
  await dialog(page).getByText("present", { exact: true }).waitFor();
});
await service.call("POST", "/v2/scrubber/actions/pause", { reason: "web's images were deleted by a job" });
await shot("page-dark", { ...WIDE, colorScheme: "dark" });
await shot("page-audit", WIDE, async (page) => {
  await page.getByRole("button", { name: "Audit" }).click();
  await page.getByRole("cell", { name: "pause", exact: true }).waitFor();
});
await shot("page-phone", { ...PHONE, deviceScaleFactor: 1.5 });

await browser.close();
await service.stop();
