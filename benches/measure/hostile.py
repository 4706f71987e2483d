"""Memory use if tenants filled the rows of their images as far as possible."""

import http.client
import os

from large import ID, MIB, WEEK, image_id, make_due, memory_line
from programs import Server, run, status
from promises import Line, say

# Images of a pass. Each has 16 MiB of locations that nothing destroys and 16 MiB of properties; of
# one in five 16 MiB are metadata, which is too much, so that it stays.
IMAGES, ROWS, LONG = 20, 280, 60_000
# The image of a preview and a revert.
PROPERTIES, TAGS = 5_000, 1_000_000


def statements(database, datadir):
    """Yields SQL for images that wait, with the rows that their tenant wrote."""
    then = database.ago("86400")
    gone = f"{then}, {then}, {then}, TRUE"
    text = f"repeat('x', {LONG})"
    yield (
        "INSERT INTO images (id, name, size, status, min_disk, min_ram, protected, visibility,"
        " os_hidden, created_at, updated_at, deleted_at, deleted)"
        f" SELECT {ID}, 'image', 5, 'pending_delete', 0, 0, FALSE, 'shared', FALSE, {gone}"
        f" FROM {database.numbers(IMAGES + 1)}"
    )
    locations = (
        "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, updated_at,"
        " deleted_at, deleted)"
    )
    yield (
        f"{locations} SELECT {ID}, CONCAT('file://{datadir}/', {ID}), '{{\"store\": \"file\"}}',"
        f" 'pending_delete', {gone} FROM {database.numbers(IMAGES + 1)}"
    )
    properties = (
        "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted_at,"
        " deleted)"
    )
    for number in range(1, IMAGES + 1):
        value, metadata = f"CONCAT('http://web.invalid/', {text})", "'{}'"
        if number % 5 == 0:
            value, metadata = "'http://web.invalid/'", f"CONCAT('{{\"x\": \"', {text}, '\"}}')"
        image = image_id(number)
        yield (
            f"{locations} SELECT '{image}', {value}, {metadata}, 'pending_delete', {gone}"
            f" FROM {database.numbers(ROWS)}"
        )
        yield (
            f"{properties} SELECT '{image}', CONCAT('p', n), {text}, {gone}"
            f" FROM {database.numbers(ROWS)}"
        )
    image = image_id(IMAGES + 1)
    yield (
        f"{properties} SELECT '{image}', CONCAT('p', n), {text}, {gone}"
        f" FROM {database.numbers(PROPERTIES)}"
    )
    earlier = database.ago("90000")
    yield (
        "INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted_at, deleted)"
        f" SELECT '{image}', CONCAT('t', n), {earlier}, {earlier}, {earlier}, TRUE"
        f" FROM {database.numbers(TAGS)}"
    )


def asked(programs, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", programs.api, timeout=600)
    headers = {"Authorization": f"Bearer {programs.token}", "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    say(f"  {method} {path}: {answer.status} {text[:200]}")
    return answer.status


def hostile(bench):
    """Measures a pass, a preview and a revert over such rows."""
    programs = bench.programs
    for database in (bench.mariadb, bench.postgres, bench.sqlite):
        if database.label not in bench.databases:
            continue
        programs.configure(database, scrub_time=WEEK)
        say(f"rows of hostile tenants on {database.label}")
        os.makedirs(programs.datadir, exist_ok=True)
        database.reset()
        database.bulk(statements(database, programs.datadir))
        database.settle()
        last = image_id(IMAGES + 1)
        make_due(database, range(1, IMAGES + 2), programs.datadir)
        with Server(programs) as server:
            asked(programs, "GET", f"/v2/pending-deletes/{last}")
            revert = f"/v2/images/{last}/actions/revert"
            code = asked(programs, "POST", revert, '{"properties": "skip"}')
            peak = status(server.child.pid, "VmHWM")
        what = f"a preview and a revert of {PROPERTIES:,} properties, {TAGS:,} tags"
        yield Line(
            f"{what}, {database.label}", f"{code}, {peak / MIB:.1f} MiB", "", "", "200", float(code != 200) * 2
        )
        cost = run(programs.ours("scrub", "--json"), programs.log, codes=(0, 1))
        left = len(os.listdir(programs.datadir)) - 1
        if left != IMAGES // 5:
            raise RuntimeError(f"{left} of {IMAGES} images are left:\n{cost.output}")
        yield memory_line(
            f"a pass over {IMAGES} images of 32 MiB of rows each, {database.label}", cost.peak
        )
