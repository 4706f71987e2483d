"""Passes over stores that are asked over HTTP: images a second beside the store's own request for many
objects alone, beside the real glance-scrubber, and requests an image."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config

from programs import clean_environment, free_port
from results import Line, say
from rows import DATA, Images

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = os.path.join(ROOT, "tests/it/support/peers/python")
# Images of a pass of ours and of the bare requests; of glance-scrubber.
IMAGES, THEIRS = 500, 40
# Objects of one bare request.
AT_ONCE = 250
KEY, SECRET = "ACCESSKEY", "bench"


class Tap:
    """A proxy that counts requests."""

    def __init__(self, authority):
        host, port = authority.split(":")
        self.server, self.count = (host, int(port)), 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.authority = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                server = socket.create_connection(self.server)
                for source, target, counts in ((client, server, True), (server, client, False)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(
                        target=self.carry, args=(source, target, counts), daemon=True
                    ).start()

    def carry(self, source, target, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if counts:
                    self.count += data.count(b" HTTP/1.1\r\n")
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


class Process:
    """A store's server, running during its measurement."""

    def __init__(self, command, environment=None):
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
        )

    def until(self, answers):
        deadline = time.monotonic() + 120
        while not answers():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.child.args[:2]} does not answer")
            time.sleep(0.1)

    def close(self):
        self.child.terminate()
        self.child.wait(30)


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


class S3:
    """A bucket. `least` is the promised speed of a pass, as a share of the bulk request alone."""

    store, most_requests = "s3", 1.1

    def __init__(self, label, authority, key, secret, processes, least=0.25):
        self.least = least
        self.label, self.authority, self.key, self.secret = label, authority, key, secret
        self.processes = processes
        self.client = boto3.client(
            "s3", endpoint_url=f"http://{authority}", aws_access_key_id=key,
            aws_secret_access_key=secret, region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        self.client.create_bucket(Bucket="bench")

    def options(self, authority):
        return (
            f"stores = s3\ndefault_store = s3\ns3_store_host = http://{authority}\n"
            f"s3_store_access_key = {self.key}\ns3_store_secret_key = {self.secret}\n"
            "s3_store_bucket = bench\n"
        )

    def place(self, authority):
        return f"s3://{authority}/bench/"

    def put(self, name):
        self.client.put_object(Bucket="bench", Key=name, Body=DATA)

    def delete_all(self, names):
        objects = [{"Key": name} for name in names]
        answer = self.client.delete_objects(Bucket="bench", Delete={"Objects": objects})
        if len(answer["Deleted"]) != len(names):
            raise RuntimeError(f"{self.label}: {answer.get('Errors')}")

    def names(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="bench")
        return [found["Key"] for page in pages for found in page.get("Contents", ())]


class Swift:
    """A container."""

    label, store, most_requests, least = "Swift", "swift", 1.5, 0.25

    def __init__(self, authority, processes):
        self.authority, self.processes = authority, processes
        login = urllib.request.Request(
            f"http://{authority}/auth/v1.0",
            headers={"X-Auth-User": "test:glance", "X-Auth-Key": SECRET},
        )
        with urllib.request.urlopen(login) as answer:
            self.url, self.token = answer.headers["X-Storage-Url"], answer.headers["X-Auth-Token"]
        self.ask("PUT", "/bench")

    def ask(self, method, path, body=b""):
        headers = {"X-Auth-Token": self.token, "Accept": "application/json"}
        if method == "POST":
            headers["Content-Type"] = "text/plain"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def options(self, authority):
        return (
            "stores = swift\ndefault_store = swift\nswift_store_auth_version = 1\n"
            f"swift_store_auth_address = http://{authority}/auth/v1.0\n"
            f"swift_store_user = test:glance\nswift_store_key = {SECRET}\n"
            "swift_store_container = bench\n"
        )

    def place(self, authority):
        return f"swift+http://test%3Aglance:{SECRET}@{authority}/auth/v1.0/bench/"

    def put(self, name):
        self.ask("PUT", f"/bench/{name}", DATA)

    def delete_all(self, names):
        lines = "".join(f"/bench/{name}\n" for name in names)
        answer = json.loads(self.ask("POST", "?bulk-delete", lines.encode()))
        if answer["Number Deleted"] != len(names):
            raise RuntimeError(f"{self.label}: {answer}")

    def names(self):
        found = []
        while page := json.loads(
            self.ask("GET", f"/bench?format=json&marker={found[-1] if found else ''}") or "[]"
        ):
            found.extend(listed["name"] for listed in page)
        return found


def moto():
    port = free_port()
    process = Process([os.environ["GLANCE_REVERT_TEST_MOTO"], "-H", "127.0.0.1", "-p", str(port)])
    process.until(lambda: answers(f"http://127.0.0.1:{port}/"))
    # its bulk request is a loop over a dictionary, and a look at an object a connection
    return S3("S3 (moto)", f"127.0.0.1:{port}", KEY, SECRET, [process], least=0.03)


def swift(folder):
    port, data = free_port(), os.path.join(folder, "swift")
    process = Process(
        [os.environ["GLANCE_REVERT_TEST_SWIFT"], f"{PEERS}/swift_server.py", data, str(port)],
        {"SWIFT_KEY": SECRET, "PYTHONPATH": PEERS},
    )
    process.until(lambda: answers(f"http://127.0.0.1:{port}/auth/v1.0"))
    return Swift(f"127.0.0.1:{port}", [process])


def rgw(folder):
    """Ceph's gateway, where Ceph is installed."""
    if not shutil.which("radosgw", path=os.environ["PATH"] + ":/usr/bin:/usr/sbin"):
        return None
    data = os.path.join(folder, "ceph")
    os.mkdir(data)
    harness, processes = os.path.join(ROOT, "tests/harness/ceph.sh"), []
    for command, told in (("cluster", "ready"), ("rgw", "rgw.env")):
        processes.insert(0, Process(["bash", harness, command, data]))
        processes[0].until(lambda: os.path.exists(os.path.join(data, told)))
    with open(os.path.join(data, "rgw.env"), encoding="utf-8") as text:
        values = dict(line.strip().split("=", 1) for line in text if "=" in line)
    authority = urllib.parse.urlsplit(values["RGW_ENDPOINT"]).netloc
    return S3(
        "S3 (RGW)", authority, values["RGW_ACCESS_KEY"], values["RGW_SECRET_KEY"], processes
    )


def passed(bench, store, authority, count, run):
    """Returns the seconds of one pass over that many objects, and checks its result."""
    images = Images(count, place=store.place(authority), store=store.store)
    images.write(bench.sqlite, bench.programs.datadir)
    bench.programs.configure(bench.sqlite, store=store.options(authority))
    for name in images.ids:
        store.put(name)
    say(f"scrub pass over {count} images in {store.label}: {run.__name__}")
    cost = run()
    done = bench.sqlite.number("SELECT COUNT(*) FROM image_locations WHERE status = 'deleted'")
    left = store.names()
    if left or done != count:
        raise RuntimeError(f"{run.__name__}: {done} of {count} scrubbed, {len(left)} left")
    say(f"  {count / cost.wall:.1f}/s")
    return cost.wall


def bare(store, count):
    """Returns the seconds of the store's bulk requests alone."""
    names = Images(count).ids
    for name in names:
        store.put(name)
    began = time.perf_counter()
    for at in range(0, count, AT_ONCE):
        store.delete_all(names[at : at + AT_ONCE])
    took = time.perf_counter() - began
    say(f"  {count / took:.1f}/s by the store's own bulk requests")
    return took


def measured(bench, store):
    programs, label = bench.programs, store.label
    ours = IMAGES / passed(bench, store, store.authority, IMAGES, programs.scrub)
    possible = IMAGES / bare(store, IMAGES)
    yield Line(
        f"scrub pass, {label}", f"{ours:.0f} images/s", f"its bulk request {possible:.0f}/s",
        f"{ours / possible:.2f} x", f"{store.least} x", store.least * possible / ours,
    )
    # Glance logs in at Keystone alone, which this Swift does without
    if store.store == "s3":
        theirs = THEIRS / passed(bench, store, store.authority, THEIRS, programs.scrub_upstream)
        yield Line(
            f"the same beside glance-scrubber, {label}", f"{ours:.0f} images/s",
            f"{theirs:.1f} images/s", f"{ours / theirs:.0f} x", "10 x", 10 * theirs / ours,
        )
    tap = Tap(store.authority)
    passed(bench, store, tap.authority, IMAGES, programs.scrub)
    tap.close()
    each = tap.count / IMAGES
    yield Line(
        f"requests an image, {label}", f"{each:.3f}", "", "", f"{store.most_requests}",
        each / store.most_requests,
    )


def objects(bench):
    folder = bench.programs.folder
    for start in (moto, lambda: swift(folder), lambda: rgw(folder)):
        store = start()
        if store is None:
            continue
        try:
            yield from measured(bench, store)
        finally:
            for process in store.processes:
                process.close()
