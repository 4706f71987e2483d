"""Rows and files as Glance's delayed delete leaves them; deterministic."""

import datetime
import os
import random
import shutil
import uuid

DATA = b"bench" * 20
OWNER = "8f1f4e0c5d2b4a3c9e7d6b5a4c3d2e1f"
PER_STATEMENT = 500

COLUMNS = {
    "images": "id, name, size, status, created_at, updated_at, deleted_at, deleted, disk_format,"
    " container_format, checksum, owner, min_disk, min_ram, protected, visibility, os_hidden,"
    " os_hash_algo, os_hash_value",
    "image_locations": "image_id, value, created_at, updated_at, deleted_at, deleted, meta_data,"
    " status",
    "image_properties": "image_id, name, value, created_at, updated_at, deleted_at, deleted",
    "image_tags": "image_id, value, created_at, updated_at, deleted_at, deleted",
    "image_members": "image_id, member, can_share, created_at, updated_at, deleted_at, deleted,"
    " status",
}


class Images:
    """`count` images that were deleted so many days ago, each with so many properties, tags and
    members. Ids are random, as Glance's are, and the same in each run with the same seed. `place` is
    what stands before them in their locations: a folder's, or a store's where the data is already."""

    def __init__(
        self, count, properties=2, tags=1, members=0, days=2, seed=20261122, place=None, store="file"
    ):
        generator = random.Random(seed)
        self.days, self.place, self.store = days, place, store
        self.ids = [str(uuid.UUID(int=generator.getrandbits(128), version=4)) for _ in range(count)]
        self.children = (properties, tags, members)

    def write(self, database, datadir):
        """Recreates and fills database and data directory."""
        shutil.rmtree(datadir, ignore_errors=True)
        os.mkdir(datadir)
        database.reset()
        self.add(database, datadir)
        database.settle()
        os.sync()

    def add(self, database, datadir):
        """Adds them to existing ones."""
        for image in self.ids if self.place is None else ():
            with open(os.path.join(datadir, image), "wb") as file:
                file.write(DATA)
        database.execute(self.statements(datadir))

    def statements(self, datadir):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
        deleted = f"'{now - datetime.timedelta(days=self.days)}.000000'"
        created = f"'{now - datetime.timedelta(days=30)}.000000'"
        place = self.place or f"file://{datadir}/"
        gone = f"{created}, {deleted}, {deleted}, TRUE"
        rows = {
            "images": lambda image: [
                f"'{image}', 'bench', {len(DATA)}, 'pending_delete', {gone}, 'raw', 'bare',"
                f" 'd41d8cd98f00b204e9800998ecf8427e', '{OWNER}', 0, 0, FALSE, 'shared', FALSE,"
                f" 'sha512', '{'ab' * 64}'"
            ],
            "image_locations": lambda image: [
                f"'{image}', '{place}{image}', {gone}, '{{\"store\": \"{self.store}\"}}',"
                " 'pending_delete'"
            ],
            "image_properties": lambda image: [
                f"'{image}', 'property_{number}', 'value {number}', {gone}"
                for number in range(self.children[0])
            ],
            "image_tags": lambda image: [
                f"'{image}', 'tag-{number}', {gone}" for number in range(self.children[1])
            ],
            "image_members": lambda image: [
                f"'{image}', 'member-{number}', FALSE, {gone}, 'accepted'"
                for number in range(self.children[2])
            ],
        }
        for table, of_image in rows.items():
            values = (row for image in self.ids for row in of_image(image))
            yield from inserts(table, values)


def inserts(table, values):
    some = []
    for row in values:
        some.append(f"({row})")
        if len(some) == PER_STATEMENT:
            yield insert(table, some)
            some = []
    if some:
        yield insert(table, some)


def insert(table, some):
    return f"INSERT INTO {table} ({COLUMNS[table]}) VALUES {', '.join(some)}"
