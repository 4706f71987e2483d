"""Reads and writes benches/results.json: the last run of each line."""

import dataclasses
import json
import os
import subprocess
import sys

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "results.json")
# What a ratio may differ by from one run to the next, and of what is promised what is next to nothing.
NOISE, LITTLE = 1.25, 0.1


@dataclasses.dataclass
class Line:
    """One line of the table. `used` is how much of the promise was used up: 1 just holds."""

    what: str
    ours: str
    theirs: str
    ratio: str
    promise: str
    used: float | None
    # Seconds of this machine, which no other run can be compared with.
    is_time: bool = False

    @property
    def holds(self):
        return self.used is None or self.used <= 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def git(*arguments):
    command = ["git", "-C", os.path.dirname(PATH), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def committed():
    """Returns the results of the last commit."""
    return json.loads(git("show", "HEAD:./results.json") or "{}")


def write(lines, about, rows, quick):
    """Replaces older lines of the same names."""
    found = {}
    if os.path.exists(PATH):
        with open(PATH, encoding="utf-8") as text:
            found = json.load(text)
    commit = git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    for line in lines:
        found[line.what] = {
            "ours": line.ours, "theirs": line.theirs, "ratio": line.ratio, "promise": line.promise,
            "used": line.used and round(line.used, 3), "is_time": line.is_time,
            "commit": commit, "machine": about, "rows": rows, "quick": quick,
        }
    with open(PATH, "w", encoding="utf-8") as text:
        json.dump(found, text, indent=1, sort_keys=True)
        text.write("\n")


def worse(lines, before):
    """Yields lines whose ratio to the promise got worse. Times are not compared: machines differ."""
    for line in lines:
        known = before.get(line.what, {}).get("used")
        if line.used is None or known is None or line.is_time:
            continue
        if line.used > max(known, LITTLE) * NOISE:
            yield f"{line.what}: {line.used:.2f} of what is promised, {known:.2f} before"
