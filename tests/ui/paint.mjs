// Measures the time to the first paint in a browser with an empty cache.

import { launch, open } from "./browser.mjs";
import { Service } from "./service.mjs";

const ROUNDS = 15;

const service = await Service.demo();
const browser = await launch();
const times = [];
for (let round = 0; round < ROUNDS; round += 1) {
  // a page with its own session has an empty cache
  const page = await open(browser, service);
  const paint = await page.waitForFunction(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  );
  times.push(await paint.jsonValue());
  await page.context().close();
}
await browser.close();
await service.stop();
// the first one warms up the browser itself
const sorted = times.slice(1).sort((a, b) => a - b);
const shown = [["median", sorted[Math.floor(sorted.length / 2)]], ["slowest", sorted.at(-1)]];
console.log(`first paint, ms: ${shown.map(([word, time]) => `${word} ${Math.round(time)}`).join(", ")}`);
