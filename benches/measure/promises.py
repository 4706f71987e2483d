"""The measurements: each function yields lines of the table."""

import dataclasses
import os
import statistics

from objects import objects
from programs import Server
from results import Line, say
from rows import OWNER, Images

MIB = 1024
# Images of one round of the rate, and rounds of each side.
RATE_IMAGES, RATE_ROUNDS, CONNECTIONS = 2000, 3, 16
# Images of the two runs of a bulk revert.
BULK_IMAGES = (3_000, 30_000)


@dataclasses.dataclass
class Bench:
    """Shared by all measurements."""

    programs: object
    mariadb: object
    postgres: object
    sqlite: object
    quick: bool
    rows: int
    databases: list
    operations: int

    def prepare(self, database, images):
        images.write(database, self.programs.datadir)
        self.programs.configure(database)


def revert(bench):
    """One revert over HTTP against one `glance-scrubber --restore`."""
    theirs_at, ours_at = 5, 50
    for database in (bench.mariadb, bench.postgres, bench.sqlite):
        images = Images(theirs_at + ours_at + 1, properties=4, tags=2, members=2)
        bench.prepare(database, images)
        theirs = [bench.programs.restore_upstream(image) for image in images.ids[:theirs_at]]
        with Server(bench.programs) as server:
            server.revert(images.ids[-1])
            ours = [server.revert(image) for image in images.ids[theirs_at:-1]]
        active = database.number("SELECT COUNT(*) FROM images WHERE status = 'active'")
        if active != len(images.ids):
            raise RuntimeError(f"{active} of {len(images.ids)} images are active")
        wall, ours = statistics.median(cost.wall for cost in theirs), statistics.median(ours)
        yield Line(
            f"one revert, {database.label}", f"{ours * 1000:.1f} ms", f"{wall * 1000:.0f} ms",
            f"{wall / ours:.0f} x", "300 x", 300 * ours / wall,
        )


def scrubbed(bench, database, count, run):
    """Returns the cost of one pass over that many images, and checks its result."""
    bench.prepare(database, Images(count))
    say(f"scrub pass over {count} images on {database.label}: {run.__name__}")
    cost = run()
    left = len(os.listdir(bench.programs.datadir))
    done = database.number(
        "SELECT COUNT(*) FROM images i JOIN image_locations l ON l.image_id = i.id"
        " WHERE i.status = 'deleted' AND l.status = 'deleted'"
    )
    if (left, done) != (0, count):
        raise RuntimeError(f"{run.__name__}: {done} of {count} scrubbed, {left} files left")
    say(f"  {count / cost.wall:.0f}/s, {cost.cpu:.2f} s CPU, {cost.peak / MIB:.1f} MiB")
    return cost


def scrub(bench):
    """A pass over 10,000 images of a file store."""
    ours_at, theirs_at = 10_000, 1_000 if bench.quick else 10_000
    for database in (bench.mariadb, bench.sqlite):
        ours = scrubbed(bench, database, ours_at, bench.programs.scrub)
        theirs = scrubbed(bench, database, theirs_at, bench.programs.scrub_upstream)
        fast, slow = ours_at / ours.wall, theirs_at / theirs.wall
        yield Line(
            f"scrub pass, {database.label}", f"{fast:.0f} images/s", f"{slow:.1f} images/s",
            f"{fast / slow:.0f} x", "30 x", 30 * slow / fast,
        )
        little, much = ours.cpu / ours_at * 1000, theirs.cpu / theirs_at * 1000
        yield Line(
            f"CPU of it, {database.label}", f"{little:.3f} ms/image", f"{much:.1f} ms/image",
            f"{much / little:.0f} x", "50 x", 50 * little / much,
        )
        yield Line(
            f"peak memory of it, {database.label}", f"{ours.peak / MIB:.1f} MiB",
            f"{theirs.peak / MIB:.1f} MiB", "", "40 MiB", ours.peak / (40 * MIB),
        )


def memory(bench):
    """The peak of a pass must not grow with the backlog."""
    for database in (bench.mariadb, bench.sqlite):
        backlogs = (1_000, 10_000) if bench.quick else (1_000, 100_000)
        costs = [scrubbed(bench, database, count, bench.programs.scrub) for count in backlogs]
        peaks = [cost.peak for cost in costs]
        shown = [f"{peak / MIB:.1f} MiB" for peak in peaks]
        what = f"peak memory, {backlogs[0]:,} and {backlogs[1]:,} images, {database.label}"
        growth = peaks[1] / peaks[0]
        yield Line(
            what, " and ".join(shown), "", f"{growth:.2f} x", "40 MiB, within a tenth",
            max(max(peaks) / (40 * MIB), growth / 1.1),
        )


def start(bench):
    """Idle memory, and the time from the start to the first 200 of /readyz."""
    for database in (bench.mariadb, bench.postgres, bench.sqlite):
        bench.prepare(database, Images(100))
        starts, memories = [], []
        for _ in range(9):
            with Server(bench.programs) as server:
                starts.append(server.start)
                memories.append(server.resident())
        took, resident = statistics.median(starts), max(memories)
        label = database.label
        yield Line(
            f"start to ready, {label}", f"{took * 1000:.0f} ms", "", "", "200 ms", took / 0.2, True
        )
        yield Line(
            f"idle memory, {label}", f"{resident / MIB:.1f} MiB", "", "", "25 MiB",
            resident / (25 * MIB),
        )


def rate(bench):
    """Reverts a second at 16 connections against a bare loop of the same statements."""
    programs = bench.programs
    for database in (bench.mariadb, bench.postgres):
        images = Images(RATE_IMAGES * RATE_ROUNDS * 2, properties=4, tags=2, members=2)
        bench.prepare(database, images)
        ours, bare, before = [], [], database.deadlocks()
        with Server(programs) as server:
            for number in range(0, len(images.ids), 2 * RATE_IMAGES):
                api = f"127.0.0.1:{programs.api}"
                write_ids(programs, images.ids[number : number + RATE_IMAGES])
                bare.append(
                    programs.loop("bare", database.sqlx_url(), programs.ids, str(CONNECTIONS))
                )
                write_ids(programs, images.ids[number + RATE_IMAGES : number + 2 * RATE_IMAGES])
                ours.append(
                    programs.loop("http", api, programs.token_file, programs.ids, str(CONNECTIONS))
                )
                say(f"reverts/s on {database.label}: bare {bare[-1]:.0f}, ours {ours[-1]:.0f}")
        active = database.number("SELECT COUNT(*) FROM images WHERE status = 'active'")
        if active != len(images.ids):
            raise RuntimeError(f"{active} of {len(images.ids)} images are active")
        if before is not None:
            deadlocks = database.deadlocks() - before
            yield Line(
                f"deadlocks of {len(images.ids):,} such reverts, {database.label}",
                str(deadlocks), "", "", "few: 1 in 1,000", deadlocks * 1000 / len(images.ids),
            )
        served, possible = statistics.median(ours), statistics.median(bare)
        yield Line(
            f"reverts a second, {CONNECTIONS} connections, {database.label}", f"{served:.0f}/s",
            f"bare loop {possible:.0f}/s", f"{served / possible:.2f} x", "0.5 x",
            0.5 * possible / served,
        )


def bulk(bench):
    """Reverts a project's images with one command; the peak must not grow with their number."""
    for database in (bench.mariadb, bench.postgres):
        peaks = []
        for count in BULK_IMAGES:
            bench.prepare(database, Images(count, properties=3, tags=3, members=3))
            cost = bench.programs.revert_owner(OWNER)
            active = database.number("SELECT COUNT(*) FROM images WHERE status = 'active'")
            if active != count:
                raise RuntimeError(f"{active} of {count} images are active")
            peaks.append(cost.peak)
            say(f"bulk revert of {count} on {database.label}: {count / cost.wall:.0f}/s")
        yield Line(
            f"bulk revert of {count:,}, {database.label}",
            f"{count / cost.wall:.0f} images/s, {cost.cpu / count * 1000:.2f} ms CPU each", "", "",
            "1,000 images/s, 30 s", max(1000 * cost.wall / count, cost.wall / 30), True,
        )
        shown = [f"{peak / MIB:.1f} MiB" for peak in peaks]
        yield Line(
            f"peak memory of {BULK_IMAGES[0]:,} and {BULK_IMAGES[1]:,}, {database.label}",
            " and ".join(shown), "", f"{peaks[1] / peaks[0]:.2f} x", "40 MiB",
            max(peaks) / (40 * MIB),
        )


def write_ids(programs, ids):
    with open(programs.ids, "w", encoding="utf-8") as file:
        file.write("\n".join(ids) + "\n")


def statements(bench):
    """Statements of one revert, whatever it brings back."""
    for database in (bench.mariadb, bench.postgres, bench.sqlite):
        counts = []
        for children in (1, 30, 300):
            images = Images(2, properties=children, tags=children, members=children)
            bench.prepare(database, images)
            with Server(bench.programs) as server:
                server.revert(images.ids[0])
                before = server.statements()
                server.revert(images.ids[1])
                counts.append(server.statements() - before)
        yield Line(
            f"statements of a revert, {database.label}",
            ", ".join(map(str, counts)) + " (1, 30, 300 of each kind)", "", "", "10",
            max(counts) / 10,
        )


ALL = {
    "statements": statements,
    "start": start,
    "revert": revert,
    "rate": rate,
    "bulk": bulk,
    "memory": memory,
    "scrub": scrub,
    "objects": objects,
}
