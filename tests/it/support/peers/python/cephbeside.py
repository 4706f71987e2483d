"""Operations of tests in Ceph. Reads lines of JSON, [function, arguments]; prints a line each."""

import base64
import json
import sys

import rados
import rbd

cluster = rados.Rados(conffile=sys.argv[1], rados_id=sys.argv[2])
cluster.connect()
pools = {}
held = {}


def io(pool):
    if pool not in pools:
        pools[pool] = cluster.open_ioctx(pool)
    return pools[pool]


def put(pool, name, data):
    """Uploads as glance_store's driver does: image, data, protected snapshot."""
    data = base64.b64decode(data)
    rbd.RBD().create(io(pool), name, len(data), order=23, old_format=False, features=1)
    with rbd.Image(io(pool), name) as image:
        if data:
            image.write(data, 0)
        image.create_snap("snap")
        image.protect_snap("snap")


def look(pool, name):
    """Returns the data of the image; null if it does not exist."""
    try:
        with rbd.Image(io(pool), name, read_only=True) as image:
            return base64.b64encode(image.read(0, image.size())).decode()
    except rbd.ImageNotFound:
        return None


def snaps(pool, name):
    """Returns the names of the snapshots, with ! if protected."""
    with rbd.Image(io(pool), name, read_only=True) as image:
        user = [s for s in image.list_snaps() if s["namespace"] == rbd.RBD_SNAP_NAMESPACE_TYPE_USER]
        return [s["name"] + "!" * image.is_protected_snap(s["name"]) for s in user]


def change_snap(pool, name, change, snap):
    with rbd.Image(io(pool), name) as image:
        getattr(image, change + "_snap")(snap)


def write(pool, name, data):
    with rbd.Image(io(pool), name) as image:
        image.write(base64.b64decode(data), 0)


def group(pool, name):
    """Adds the image to a new group, which prevents its removal."""
    rbd.RBD().group_create(io(pool), "group-" + name)
    rbd.Group(io(pool), "group-" + name).add_image(io(pool), name)


def ungroup(pool, name):
    rbd.RBD().group_remove(io(pool), "group-" + name)


def names(pool):
    return sorted(rbd.RBD().list(io(pool)))


def trash(pool):
    return sorted(entry["name"] for entry in rbd.RBD().trash_list(io(pool)))


def trash_move(pool, name):
    rbd.RBD().trash_move(io(pool), name, 0)


def clone(pool, name, to_pool, to, form):
    """Clones the image with format 1 or 2."""
    cluster.conf_set("rbd_default_clone_format", str(form))
    rbd.RBD().clone(io(pool), name, "snap", io(to_pool), to, features=1)


def remove(pool, name):
    rbd.RBD().remove(io(pool), name)


def hold(pool, name, read_only):
    held[name] = rbd.Image(io(pool), name, read_only=read_only)


def release(name):
    held.pop(name).close()


for line in sys.stdin:
    function, *arguments = json.loads(line)
    try:
        answer = {"is": globals()[function](*arguments)}
    except (rados.Error, rbd.Error) as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
