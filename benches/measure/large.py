"""Cost of a pass, the list and others in large tables, where few of many rows matter."""

import dataclasses
import datetime
import hashlib
import http.client
import json
import os
import re
import time
from urllib.parse import quote

from programs import Server, run, status
from promises import MIB, Line, say

# Of every 20 images one waits, one is active, and 18 were scrubbed long ago.
EVERY, PENDING, ACTIVE = 20, 0, 1
WEEK = 7 * 24 * 3600
OWNER = "8f1f4e0c5d2b4a3c9e7d6b5a4c3d2e1f"
DATA = b"bench"


def image_id(number):
    """Returns the id of an image, as the SQL of `ID` does."""
    digest = hashlib.md5(str(number).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


DIGEST = "md5(CONCAT(n, ''))"
ID = (
    f"CONCAT(substr({DIGEST}, 1, 8), '-', substr({DIGEST}, 9, 4), '-4', substr({DIGEST}, 14, 3),"
    f" '-a', substr({DIGEST}, 18, 3), '-', substr({DIGEST}, 21, 12))"
)
# Scattered over the time in question, whatever the order of ids.
WAITS_FOR = f"(n * 7919) % {WEEK - 86400}"
SCRUBBED_AT = f"(n * 7919) % {400 * 86400}"
IS = {"pending": f"n % {EVERY} = {PENDING}", "active": f"n % {EVERY} = {ACTIVE}"}
IS["scrubbed"] = f"NOT ({IS['pending']} OR {IS['active']})"

COLUMNS = {
    "images": "id, name, size, status, created_at, updated_at, deleted_at, deleted, disk_format,"
    " container_format, checksum, owner, min_disk, min_ram, protected, visibility, os_hidden,"
    " os_hash_algo, os_hash_value",
    "image_locations": "image_id, value, created_at, updated_at, deleted_at, deleted, meta_data,"
    " status",
}


def statements(database, count, datadir):
    """Rows as Glance and a scrubber leave them, a location each: 5 in 100 wait and are not due, 5
    live, the others were deleted a week before they were scrubbed."""
    ago, created = database.ago, database.ago(f"n % 86400 + {500 * 86400}")
    scrubbed, deleted = ago(SCRUBBED_AT), ago(f"{SCRUBBED_AT} + {WEEK}")
    waits = ago(WAITS_FOR)
    kinds = {
        "scrubbed": ("'deleted'", scrubbed, deleted, "TRUE", "'deleted'", scrubbed),
        "pending": ("'pending_delete'", waits, waits, "TRUE", "'pending_delete'", waits),
        "active": ("'active'", created, "NULL", "FALSE", "'active'", "NULL"),
    }
    for kind, (state, updated, gone_at, gone, location, location_gone_at) in kinds.items():
        source = f"FROM {database.numbers(count)} WHERE {IS[kind]} ORDER BY {DIGEST}"
        yield (
            f"INSERT INTO images ({COLUMNS['images']}) SELECT {ID}, CONCAT('image ', n % 1000), n,"
            f" {state}, {created}, {updated}, {gone_at}, {gone}, 'qcow2', 'bare', {DIGEST},"
            f" CONCAT('{OWNER[:29]}', {100} + n % 200), 0, 0, FALSE, 'shared', FALSE, 'sha512',"
            f" CONCAT({DIGEST}, {DIGEST}, {DIGEST}, {DIGEST}) {source}"
        )
        yield (
            f"INSERT INTO image_locations ({COLUMNS['image_locations']}) SELECT {ID},"
            f" CONCAT('file://{datadir}/', {ID}), {created}, {updated}, {location_gone_at}, {gone},"
            f" '{{\"store\": \"file\"}}', {location} {source.replace(DIGEST, 'n')}"
        )


def fill(database, count, datadir):
    os.makedirs(datadir, exist_ok=True)
    database.reset()
    database.bulk(statements(database, count, datadir))
    database.settle()


def make_due(database, numbers, datadir):
    """Makes some pending images due."""
    ids = [image_id(number) for number in numbers]
    for image in ids:
        with open(os.path.join(datadir, image), "wb") as file:
            file.write(DATA)
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=30)
    then = then.strftime("%Y-%m-%d %H:%M:%S.000000")
    places = [ids[at : at + 500] for at in range(0, len(ids), 500)]
    listed = [", ".join(f"'{image}'" for image in some) for some in places]
    for table, column in (("image_locations", "image_id"), ("images", "id")):
        database.execute(
            f"UPDATE {table} SET deleted_at = '{then}', updated_at = '{then}'"
            f" WHERE {column} IN ({some})"
            for some in listed
        )


@dataclasses.dataclass
class Timed:
    """Seconds as a caller waits, seconds that statements took, and KiB at the peak."""

    wall: float
    database: float
    peak: int
    by_name: dict

    def shown(self):
        names = sorted(self.by_name.items(), key=lambda item: -item[1])[:4]
        names = "; ".join(f"{name} {seconds:.2f}" for name, seconds in names if seconds > 0.005)
        return f"{self.wall:.2f} s, database {self.database:.2f} s ({names})"


class Log:
    """Reads new log lines; returns the seconds of each statement."""

    def __init__(self, path):
        self.path, self.start = path, os.path.getsize(path) if os.path.exists(path) else 0

    def statements(self):
        by_name = {}
        with open(self.path, encoding="utf-8", errors="replace") as text:
            text.seek(self.start)
            for line in text:
                found = re.search(r'statement="?([A-Z_]+)"? seconds=([0-9.e-]+)', line)
                if found:
                    name, seconds = found.groups()
                    by_name[name] = by_name.get(name, 0) + float(seconds)
        return by_name


def timed(programs, *arguments):
    log = Log(programs.log)
    cost = run(programs.ours(*arguments), programs.log)
    by_name = log.statements()
    return Timed(cost.wall, sum(by_name.values()), cost.peak, by_name), json.loads(cost.output)


def get(programs, path):
    connection = http.client.HTTPConnection("127.0.0.1", programs.api, timeout=600)
    headers = {"Authorization": f"Bearer {programs.token}"}
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body.decode()}")
    return seconds, json.loads(body)


def lists(programs):
    """The summary and the list of a running service; each question is asked twice, and the second
    time counts."""
    log = Log(programs.log)
    with Server(programs) as server:
        until = time.perf_counter() + 300
        while "glance_revert_pending_images" not in server.get("/metrics")[1]:
            if time.perf_counter() > until:
                raise RuntimeError("the summary does not come")
            time.sleep(0.05)
        yield "summary", log.statements().get("OUTLOOK", 0), 2
        path = "/v2/pending-deletes?limit=100"
        _, page = get(programs, path)
        marker = page["next"].rsplit("marker=", 1)[1]
        last = page["pending_deletes"][-1]
        hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        for what, question, most in (
            ("newest", "", 0.1),
            ("soonest lost first", "&sort=deleted_at:asc", 0.1),
            ("second page", f"&marker={marker}", 1),
            ("by name", f"&name={quote(last['name'])}", 1),
            ("of a project", f"&owner={last['owner']}", 1),
            ("of the last hour", f"&deleted_after={hour_ago:%Y-%m-%dT%H:%M:%SZ}", 1),
        ):
            get(programs, path + question)
            seconds, page = get(programs, path + question)
            if not page["pending_deletes"]:
                raise RuntimeError(f"{what}: nothing is listed")
            yield f"list, {what}", seconds, most
        yield "peak memory of the service", status(server.child.pid, "VmHWM"), None


def passes(programs, database, count):
    """Passes over the same rows, few of them due and then many."""
    pending = [number for number in range(EVERY, count + 1) if number % EVERY == PENDING]
    many = len(pending) // 5
    for what, due, most in (
        ("nothing due, for the first time", [], 3),
        ("nothing due", [], 3),
        ("two due", pending[:2], 3),
        (f"{many:,} due", pending[2 : 2 + many], None),
    ):
        if due:
            make_due(database, due, programs.datadir)
        cost, report = timed(programs, "scrub", "--json")
        if report["scrubbed"] != len(due) or os.listdir(programs.datadir):
            raise RuntimeError(f"{what}: {report}")
        yield f"pass, {what}", cost, most


def seconds_line(what, seconds, most):
    return Line(what, f"{seconds:.3f} s", "", "", f"{most} s", seconds / most, True)


def cost_lines(what, cost, most):
    promise = "" if most is None else f"{most} s"
    used = None if most is None else cost.database / most
    yield Line(what, cost.shown(), "", "", promise, used, True)
    yield memory_line(f"peak memory of it: {what}", cost.peak)


def memory_line(what, peak):
    return Line(what, f"{peak / MIB:.1f} MiB", "", "", "40 MiB", peak / (40 * MIB))


def large(bench):
    """Measures pass, list and plan in large tables."""
    programs = bench.programs
    for database in (bench.mariadb, bench.postgres, bench.sqlite):
        if database.label not in bench.databases:
            continue
        programs.configure(database, scrub_time=WEEK, debug=True)
        say(f"{bench.rows:,} images on {database.label}")
        fill(database, bench.rows, programs.datadir)
        for lines in measured(programs, database, bench.rows):
            for line in lines:
                line.what += f", {database.label}"
                say(f"  {line.what}: {line.ours}")
                yield line


def measured(programs, database, rows):
    for what, cost, most in passes(programs, database, rows):
        yield cost_lines(what, cost, most)
    for what, value, most in lists(programs):
        yield [seconds_line(what, value, most) if most else memory_line(what, value)]
    cost, plan = timed(programs, "scrub", "--dry-run", "--within", "7d", "--json")
    yield cost_lines(f"plan of {plan['images']:,} images", cost, None)
