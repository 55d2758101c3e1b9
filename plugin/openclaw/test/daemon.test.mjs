// The service that keeps a daemon running.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Daemon } from "../dist/daemon.js";
import { Turnmux } from "../dist/turnmux.js";
import { fake, HEALTHY, keeper } from "./fake.mjs";

const TIMES = { look: 20, backoffFirst: 10, backoffMax: 40, stop: 300, ready: 8000 };

/** A keeper of `child.mjs` at `url`. */
function rig(t, url, { how, command, log = keeper() } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "turnmux-plugin-"));
  const program = join(folder, "turnmux");
  const child = fileURLToPath(new URL("child.mjs", import.meta.url));
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${child}' "$@"\n`);
  chmodSync(program, 0o755);
  const settings = { url, start: true, command: command ?? program, args: how ? [how] : [], apiKey: undefined };
  const daemon = new Daemon(settings, new Turnmux(url, undefined), log, join(folder, "state"), TIMES);
  t.after(async () => {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  
  return { daemon, log, folder };
}

async function freeUrl() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return `http://127.0.0.1:${port}`;
}

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("a daemon is started where there is none, and stopped with the gateway", async (t) => {
  const url = await freeUrl();
  const { daemon, log } = rig(t, url);
  daemon.start();
  daemon.start();
  await log.said("started at");
  const { now, pid } = daemon.state;
  assert.equal(now, "running");
  assert.equal((await (await fetch(`${url}/health`)).json()).pid, pid);
  await daemon.stop();
  assert.ok(!isAlive(pid));
  assert.equal(daemon.state.now, "off");
});

test("one that ends is started again", async (t) => {
  const url = await freeUrl();
  const { daemon, log } = rig(t, url);
  daemon.start();
  await log.said("started at");
  await fetch(`${url}/exit`).catch(() => undefined);
  await log.said("it ended with status 3");
  await log.said("started at", 2);
  assert.equal(daemon.state.ended, 1);
});

test("one that is there already is left alone, and followed when it goes", async (t) => {
  const there = await fake(t, { "GET /health": [200, HEALTHY] });
  const { daemon, log } = rig(t, there.url);
  daemon.start();
  await log.said("there is one at");
  await there.calls(3);
  assert.deepEqual(daemon.state, { now: "watching", ended: 0 });
  await there.stop();
  await log.said("started at");
  assert.equal(daemon.state.now, "running");
});

test("two keepers have one daemon", async (t) => {
  const url = await freeUrl();
  const one = rig(t, url);
  const two = rig(t, url, { log: one.log });
  one.daemon.start();
  two.daemon.start();
  await one.log.said("there is one at");
  const states = [one, two].map(({ daemon }) => daemon.state.now).sort();
  assert.deepEqual(states, ["running", "watching"], one.log.lines.join("\n"));
});

test("a stranger on the port is no reason to start one", async (t) => {
  const stranger = await fake(t, { "GET /health": [200, "hello"] });
  const { daemon, log } = rig(t, stranger.url);
  daemon.start();
  await log.said("not as turnmux does");
  await stranger.calls(3);
  assert.equal(log.lines.length, 1, "it is said once");
});

test("one that cannot start is tried again, ever more slowly, and says why", async (t) => {
  const { daemon, log } = rig(t, await freeUrl(), { how: "fails" });
  daemon.start();
  await log.said("the store is another daemon's");
  for (const wait of [10, 20, 40]) await log.said(`again in ${wait} ms`);
  await log.said("again in 40 ms", 2);
  assert.match(daemon.state.trouble ?? "", /status 1/);
});

test("a program that is not there is named", async (t) => {
  const { daemon, log } = rig(t, await freeUrl(), { command: "no-such-turnmux" });
  daemon.start();
  await log.said('there is no program "no-such-turnmux"');
});

test("one that ignores SIGTERM is killed", async (t) => {
  const { daemon, log } = rig(t, await freeUrl(), { how: "stubborn" });
  daemon.start();
  await log.said("started at");
  const { pid } = daemon.state;
  await daemon.stop();
  assert.ok(!isAlive(pid));
});

test("what it writes is in a log that only its owner reads", async (t) => {
  const { daemon, log, folder } = rig(t, await freeUrl(), { how: "fails" });
  daemon.start();
  await log.said("status 1");
  assert.match(readFileSync(join(folder, "state", "turnmux.log"), "utf8"), /another daemon/);
});
