"""Runs this program and the real glance-scrubber, and measures their cost."""

import dataclasses
import datetime
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER, AUDIENCE = "https://bench.invalid", "glance-revert-bench"
POOL_SIZE = 1
# Nothing here takes as long; what hangs must not hang the bench.
LONGEST = 3600


@dataclasses.dataclass
class Cost:
    """The cost of one process: seconds, and KiB at its peak."""

    wall: float
    cpu: float
    peak: int
    output: str


def status(pid, field):
    """Returns a field of /proc/PID/status in KiB; None if the process has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as text:
            found = re.search(rf"^{field}:\s+(\d+)", text.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def clean_environment():
    """Returns the environment without variables that oslo.config reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")}


def run(command, log, codes=(0,)):
    """Runs a command to its end. The peak is VmHWM as last seen, asked for every 5 ms: the kernel
    would tell it at the end only mixed with that of the process that started the command."""
    peaks, ended = [0], threading.Event()
    with open(log, "ab") as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
            env=clean_environment(),
        )

        def watch():
            while not ended.wait(0.005):
                peaks.append(max(peaks.pop(), status(child.pid, "VmHWM") or 0))

        watcher = threading.Thread(target=watch)
        watcher.start()
        guard = threading.Timer(LONGEST, child.kill)
        guard.start()
        output = child.stdout.read().decode()
        _, code, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(code)
    ended.set()
    guard.cancel()
    watcher.join()
    if child.returncode not in codes:
        with open(log, encoding="utf-8", errors="replace") as text:
            tail = text.read()[-2000:]
        raise RuntimeError(f"{command[:2]} ended with {child.returncode}:\n{tail}\n{output[-500:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peaks[0], output)


class Programs:
    """Both programs on one database and one data directory, from one glance-api.conf."""

    def __init__(self, binary, load, folder):
        self.binary, self.load, self.folder = binary, load, folder
        self.datadir = os.path.join(folder, "images")
        self.log = os.path.join(folder, "log")
        self.glance_conf = os.path.join(folder, "glance-api.conf")
        self.revert_conf = os.path.join(folder, "revert.conf")
        self.ids = os.path.join(folder, "ids")
        self.token_file = os.path.join(folder, "token")
        self.bin = os.path.dirname(sys.executable)
        self.make_token()

    def make_token(self):
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with open(os.path.join(self.folder, "key.pem"), "wb") as file:
            file.write(public)
        now = datetime.datetime.now(datetime.timezone.utc)
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "bench", "iat": now,
            "exp": now + datetime.timedelta(hours=12), "roles": ["glance-revert-admin"],
        }
        self.token = jwt.encode(claims, key, algorithm="ES256")
        with open(self.token_file, "w", encoding="utf-8") as file:
            file.write(self.token)

    def configure(self, database, scrub_time=3600, debug=False, scrubber="false", store=None):
        self.api, self.ops = free_port(), free_port()
        store = store or (
            f"stores = file,http\ndefault_store = file\nfilesystem_store_datadir = {self.datadir}\n"
        )
        with open(self.glance_conf, "w", encoding="utf-8") as file:
            file.write(
                f"[DEFAULT]\ndelayed_delete = True\nscrub_time = {scrub_time}\n"
                f"scrub_pool_size = {POOL_SIZE}\nwakeup_time = 1\ndebug = {debug}\n[database]\nconnection = {database.url}\n"
                f"[glance_store]\n{store}"
                f"[oslo_concurrency]\nlock_path = {self.folder}\n"
            )
        with open(self.revert_conf, "w", encoding="utf-8") as file:
            file.write(
                f"[revert]\nbind = 127.0.0.1:{self.api}\nops_bind = 127.0.0.1:{self.ops}\n"
                f"scrubber = {scrubber}\nfirst_pass_delay = 0\nmax_images_per_pass = 1000000\n[revert_jwt:bench]\nissuer = {ISSUER}\n"
                f"audiences = {AUDIENCE}\npublic_key_file = {self.folder}/key.pem\n"
            )

    def ours(self, *arguments):
        files = ["--config-file", self.glance_conf, "--config-file", self.revert_conf]
        return [self.binary, *files, *arguments]

    def upstream(self, *arguments):
        command = os.path.join(self.bin, "glance-scrubber")
        return [sys.executable, command, "--config-file", self.glance_conf, *arguments]

    def scrub(self):
        return run(self.ours("scrub", "--json"), self.log)

    def revert_owner(self, owner):
        return run(self.ours("revert", "--owner", owner, "--yes", "--json"), self.log)

    def scrub_upstream(self):
        return run(self.upstream(), self.log)

    def restore_upstream(self, image):
        """Restores; retries, as glance-scrubber refuses to run beside any command line with its name."""
        for attempt in range(10):
            try:
                return run(self.upstream("--restore", image), self.log)
            except RuntimeError:
                if attempt == 9:
                    raise
                time.sleep(1)

    def loop(self, *arguments):
        """Runs a loop of benches/load.rs; returns reverts per second."""
        result = json.loads(run([self.load, *arguments], self.log).output)
        if result["failed"]:
            raise RuntimeError(f"{result['failed']} reverts failed: {arguments[0]}")
        return result["done"] / result["seconds"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running `glance-revert serve`."""

    def __init__(self, programs):
        self.programs = programs

    def __enter__(self):
        with open(self.programs.log, "ab") as log:
            began = time.perf_counter()
            self.child = subprocess.Popen(
                self.programs.ours("serve"), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=clean_environment(),
            )
        try:
            self.until_ready(began + 30)
        except BaseException:
            self.__exit__()
            raise
        self.start = time.perf_counter() - began
        return self

    def until_ready(self, deadline):
        while True:
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            if self.child.poll() is not None or time.perf_counter() > deadline:
                raise RuntimeError(f"the server did not start; see {self.programs.log}")
            time.sleep(0.001)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.programs.ops, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def revert(self, image):
        """Reverts on a new connection; returns the seconds from connect to the last byte."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.programs.api, timeout=60)
        headers = {"Authorization": f"Bearer {self.programs.token}"}
        connection.request("POST", f"/v2/images/{image}/actions/revert", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"revert: {answer.status} {body.decode()}")
        return seconds

    def statements(self):
        counts = re.findall(r"^glance_revert_db_statements_total{.*} (\d+)", self.get("/metrics")[1], re.M)
        return sum(map(int, counts))

    def resident(self):
        return status(self.child.pid, "VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
