"""Everything at once on one service: reverts, lists, previews and bulk reverts beside passes, for as many
requests as are asked for. No image may be lost, only documented answers may come, and neither memory nor
descriptors may grow."""

import json
import os

from programs import Server, run
from promises import Line, say, write_ids
from rows import Images

DAY = 86_400
CONNECTIONS = (16, 256)
# Images of one round: half of them are due while they are asked for.
ROUND = 4_000
# What a revert of an image that a pass has, or had, is told; and that many wait for the database.
DOCUMENTED = {
    "revert 200 ", "list 200 ", "preview 200 ", "bulk 200 ", "bulk: reverted ", "bulk: already_reverted ",
    "revert 409 image.scrub_in_progress", "revert 409 image.already_scrubbed",
    "revert 409 image.already_active", "bulk: failed image.scrub_in_progress",
    "bulk: failed image.already_scrubbed", "bulk: already_active image.already_active",
}


def mixed(bench):
    """Measures with 16 and 256 connections, on both servers."""
    for database in (bench.mariadb, bench.postgres):
        for connections in CONNECTIONS:
            yield from rounds(bench, database, connections)


def rounds(bench, database, connections):
    programs = bench.programs
    Images(1).write(database, programs.datadir)
    programs.configure(database, scrub_time=DAY, scrubber="true")
    took, answers, requests, samples, lost, number = {}, {}, 0, [], 0, 0
    wanted = bench.operations / len(CONNECTIONS) / 2
    with Server(programs) as server:
        while requests < wanted or len(samples) < 4:
            number += 1
            due = Images(ROUND // 2, days=2, seed=2 * number)
            young = Images(ROUND // 2, days=0, seed=2 * number + 1)
            for images in (due, young):
                images.add(database, programs.datadir)
            ids = [image for pair in zip(reversed(due.ids), young.ids) for image in pair]
            write_ids(programs, ids)
            report, back = load(programs, connections)
            for operation, times in report["took"].items():
                took.setdefault(operation, []).append(times)
                requests += times["count"]
            for answer, count in report["answers"].items():
                answers[answer] = answers.get(answer, 0) + count
            lost += len(missing(database, programs.datadir, back, young.ids))
            samples.append((server.resident(), server.descriptors()))
            say(f"  {requests} requests on {database.label}, {samples[-1]}, {lost} lost")
    where = f"{connections} connections, {database.label}"
    for operation, times in sorted(took.items()):
        worst = {of: max(float(time[of]) for time in times) for of in ("p50", "p95", "p99", "p999")}
        count = sum(time["count"] for time in times)
        text = ", ".join(f"{of} {worst[of]:.0f} ms" for of in worst)
        yield Line(f"{count:,} of {operation}, {where}", text, "", "", "", True)
    odd = {answer: count for answer, count in answers.items() if answer not in DOCUMENTED}
    yield Line(f"answers of {requests:,}, {where}", str(odd or "documented"), "", "", "documented", not odd)
    yield Line(f"lost, {where}", str(lost), "", "", "0", lost == 0)
    memory = [sample[0] / 1024 for sample in samples[1:]]
    open_at_once = [sample[1] for sample in samples[1:]]
    yield Line(
        f"memory after each of {number} rounds, {where}",
        f"{memory[0]:.0f} MiB at first, {max(memory):.0f} at most, {memory[-1]:.0f} at last", "", "",
        "flat: a quarter more", memory[-1] <= 1.25 * memory[0],
    )
    yield Line(
        f"descriptors, {where}", f"{open_at_once[0]} at first, {open_at_once[-1]} at last", "", "",
        "flat", open_at_once[-1] <= open_at_once[0] + 4,
    )


def load(programs, connections):
    """Returns the responses, and the images reported as reverted."""
    back = os.path.join(programs.folder, "back")
    api = f"127.0.0.1:{programs.api}"
    command = [programs.load, "mixed", api, programs.token_file, programs.ids, str(connections), back]
    report = json.loads(run(command, programs.log).output)
    with open(back, encoding="utf-8") as file:
        return report, file.read().split()


def missing(database, datadir, back, young):
    """Returns images that were lost: reported as reverted, or not due, and without active row or bytes."""
    files, status = set(os.listdir(datadir)), {}
    connection = database.connect()
    cursor = connection.cursor()
    cursor.execute(
        "SELECT i.id, i.status FROM images i JOIN image_locations l ON l.image_id = i.id"
        " WHERE l.status = i.status AND i.status IN ('active', 'pending_delete')"
    )
    status.update(cursor.fetchall())
    connection.close()
    lost = [image for image in back if status.get(image) != "active" or image not in files]
    lost += [image for image in young if image not in status or image not in files]
    lost += [image for image, its in status.items() if its == "active" and image not in files]
    return lost
