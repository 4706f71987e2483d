"""Measures the promises and prints the table. Started by benches/run."""

import argparse
import os
import sys
import tempfile
import time

import results
from databases import MariaDb, PostgreSql, Sqlite
from hostile import hostile
from large import large
from mixed import mixed
from programs import POOL_SIZE, Programs
from promises import ALL, Bench, say

# What is measured only where it is asked for.
SPECIAL = {"large": large, "hostile": hostile, "mixed": mixed}


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run")
    parser.add_argument("service")
    parser.add_argument("load")
    parser.add_argument("--quick", action="store_true", help="fewer images for glance-scrubber")
    names = [*ALL, *SPECIAL]
    parser.add_argument("--only", default=",".join(ALL), help="comma-separated: " + ", ".join(names))
    parser.add_argument("--rows", type=int, default=2_000_000, help="images of large tables")
    parser.add_argument("--operations", type=int, default=1_000_000, help="requests of mixed")
    parser.add_argument("--databases", default="MariaDB,PostgreSQL,SQLite", help="for large tables")
    compare = "fail where a ratio is worse than in the committed results.json"
    parser.add_argument("--compare", action="store_true", help=compare)
    found = parser.parse_args()
    found.only, found.databases = found.only.split(","), found.databases.split(",")
    unknown = [name for name in found.only if name not in names]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return found


def sync_cost(folder):
    """Returns the milliseconds of one small write with fsync, which a durable commit waits for."""
    rounds = 100
    descriptor = os.open(os.path.join(folder, "sync"), os.O_CREAT | os.O_WRONLY)
    began = time.perf_counter()
    for number in range(rounds):
        os.pwrite(descriptor, b"x" * 4096, number * 4096)
        os.fsync(descriptor)
    os.close(descriptor)
    return (time.perf_counter() - began) / rounds * 1000


def machine(folder):
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        models = [line.split(":")[1].strip() for line in text if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = models[0] if models else os.uname().machine
    return (
        f"{os.cpu_count()} cores ({name}), {memory:.0f} GiB; one fsync takes"
        f" {sync_cost(folder):.1f} ms; load at the start {os.getloadavg()[0]:.1f}"
    )


def show(lines):
    heads = ("what", "ours", "glance-scrubber", "ratio", "promise", "holds")
    rows = [
        (line.what, line.ours, line.theirs, line.ratio, line.promise, "yes" if line.holds else "NO")
        for line in lines
    ]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    rule = tuple("-" * width for width in widths)
    for row in (heads, rule, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        print("| " + " | ".join(cells) + " |")


def main():
    wanted = arguments()
    schema = os.environ["GLANCE_REVERT_TEST_SCHEMA"]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(
            Programs(wanted.service, wanted.load, folder),
            MariaDb(os.environ["GLANCE_REVERT_TEST_MARIADB"], schema),
            PostgreSql(os.environ["GLANCE_REVERT_TEST_POSTGRES"]),
            Sqlite(schema, folder),
            wanted.quick,
            wanted.rows,
            wanted.databases,
            wanted.operations,
        )
        about = machine(folder)
        lines = []
        for name, measure in {**ALL, **SPECIAL}.items():
            if name in wanted.only:
                say(f"measuring: {name}")
                lines.extend(measure(bench))
    print(f"\n{about}\nscrub_pool_size = {POOL_SIZE} on both sides; durable commits on both\n")
    show(lines)
    broken = [line.what for line in lines if not line.holds]
    print("\nevery promise holds" if not broken else f"\ndoes not hold: {'; '.join(broken)}")
    worse = list(results.worse(lines, results.committed())) if wanted.compare else []
    print("".join(f"\nworse than before: {line}" for line in worse))
    results.write(lines, about, wanted.rows, wanted.quick)
    return 1 if broken or worse else 0


if __name__ == "__main__":
    sys.exit(main())
