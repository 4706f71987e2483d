// A demo of the service, and rows in its database.

import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const BINARY = process.env.GLANCE_REVERT_BIN;

/** Polls until there is a result. */
export async function until(what, ask, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await ask();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(25);
  }
}

const started = new Set();

export class Service {
  /** Stops everything that a test has left running. */
  static stopAll() {
    for (const service of started) {
      service.child.kill("SIGKILL");
      rmSync(service.parent, { recursive: true, force: true });
    }
  }

  static async demo(...more) {
    const service = new Service();
    service.parent = mkdtempSync(join(tmpdir(), "glance-revert-ui-"));
    service.folder = join(service.parent, "demo");
    await service.#start(["demo", "--folder", service.folder, ...more]);
    service.token = readFileSync(join(service.folder, "admin-token"), "utf8").trim();
    return service;
  }

  async #start(args) {
    const log = join(this.parent, "log");
    writeFileSync(log, "");
    this.child = spawn(BINARY, args, { stdio: ["ignore", "ignore", openSync(log, "a")] });
    started.add(this);
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.url = await until("the service", () => readFileSync(log, "utf8").match(/ api=(\S+)/)?.[1]);
    this.url = `http://${this.url}`;
  }

  /** Stops it, but keeps its files. */
  async down() {
    this.child.kill("SIGTERM");
    await this.ended;
  }

  /** Starts it again on its files, at the same address; `settings` are additional sections. */
  async up(settings = "") {
    const files = ["glance-api.conf", "glance-revert.conf"].map((name) => join(this.folder, name));
    const text = readFileSync(files[1], "utf8");
    writeFileSync(files[1], text.replace("[revert]\n", `${settings}\n[revert]\n`));
    await this.#start(["serve", ...files.flatMap((file) => ["--config-file", file])]);
  }

  async stop() {
    await this.down();
    started.delete(this);
    rmSync(this.parent, { recursive: true, force: true });
  }

  /** Calls the API as an admin. */
  async call(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const answer = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  }

  /** The status of an image in Glance's table. */
  status(id) {
    const database = this.#open();
    const row = database.prepare("SELECT status, protected FROM images WHERE id = ?").get(id);
    database.close();
    return row;
  }

  #open() {
    const database = new DatabaseSync(join(this.folder, "glance.db"));
    database.exec("PRAGMA busy_timeout = 10000");
    return database;
  }

  /**
   * Writes images as Glance leaves them after a DELETE: `count` of them within `over` seconds, the last
   * `ago` seconds ago. With `data` each has a file of its own.
   */
  add({ count = 1, name = (at) => `image-${at}`, owner = "demo", ago = 60, over = 0, data = true, size = 65_536 }) {
    const database = this.#open();
    const image = database.prepare(
      "INSERT INTO images (id, name, size, status, created_at, updated_at, deleted_at, deleted, disk_format, " +
        "container_format, owner, min_disk, min_ram, visibility, os_hash_algo, os_hash_value) " +
        "VALUES (?, ?, ?, 'pending_delete', ?, ?, ?, 1, 'raw', 'bare', ?, 0, 0, 'shared', 'sha512', ?)",
    );
    const location = database.prepare(
      "INSERT INTO image_locations (image_id, value, created_at, updated_at, deleted_at, deleted, meta_data, " +
        "status) VALUES (?, ?, ?, ?, ?, 1, '{}', 'pending_delete')",
    );
    const bytes = Buffer.alloc(data ? size : 0, "x");
    const hash = createHash("sha512").update(bytes).digest("hex");
    const created = stamp(Date.now() - 72 * 3_600_000);
    const ids = [];
    database.exec("BEGIN IMMEDIATE");
    for (let at = 0; at < count; at += 1) {
      const id = randomUUID();
      const path = join(this.folder, "images", id);
      if (data) writeFileSync(path, bytes);
      const deleted = stamp(Date.now() - (ago + over - (over * (at + 1)) / count) * 1000);
      image.run(id, name(at), size, created, deleted, deleted, owner, hash);
      location.run(id, `file://${path}`, created, deleted, deleted);
      ids.push(id);
    }
    database.exec("COMMIT");
    database.close();
    return ids;
  }
}

/** A time as SQLAlchemy writes it into SQLite. */
const stamp = (time) => new Date(time).toISOString().replace("T", " ").replace("Z", "000");

/** The part of Keystone that signing in needs: one user, who is an admin of one project. */
export async function keystone(password, token) {
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const body = {
    token: {
      expires_at: expires,
      issued_at: new Date().toISOString(),
      methods: ["password"],
      audit_ids: ["x"],
      user: { id: "alice-id", name: "alice", domain: { id: "default", name: "Default" } },
      project: { id: "ops-id", name: "ops", domain: { id: "default", name: "Default" } },
      roles: [{ id: "admin-id", name: "admin" }],
    },
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      const isGood = request.method === "POST" ? text.includes(JSON.stringify(password)) : request.headers["x-subject-token"] === token;
      response.writeHead(isGood ? (request.method === "POST" ? 201 : 200) : 401, { "content-type": "application/json", "x-subject-token": token });
      response.end(JSON.stringify(isGood ? body : { error: { code: 401 } }));
    });
  });
  server.unref();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
