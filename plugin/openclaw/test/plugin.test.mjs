// The whole: what is registered with OpenClaw, what the operator can set, and what people and monitors are told.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";

import { register } from "../dist/plugin.js";
import { settings } from "../dist/settings.js";
import { shown, status } from "../dist/status.js";
import { Turnmux } from "../dist/turnmux.js";
import { fake, HEALTHY, keeper } from "./fake.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url)));

/** What OpenClaw would hand to the plugin; everything registered is kept. */
function openclaw(pluginConfig, config = {}) {
  const kept = { hooks: {} };
  return {
    kept,
    api: {
      config,
      pluginConfig,
      logger: keeper(),
      registerProvider: (provider) => (kept.provider = provider),
      registerCliBackend: (backend) => (kept.backend = backend),
      registerService: (service) => (kept.service = service),
      registerHttpRoute: (route) => (kept.route = route),
      registerCli: (registrar, options) => (kept.cli = { registrar, options }),
      on: (hook, handler) => (kept.hooks[hook] = handler),
    },
  };
}

test("the address is the plugin's, the provider's, or turnmux's own", () => {
  const config = { models: { providers: { turnmux: { baseUrl: "http://127.0.0.1:8000/v1", apiKey: "k" } } } };
  assert.deepEqual(settings(undefined, {}), {
    url: "http://127.0.0.1:7433",
    start: true,
    command: "turnmux",
    args: [],
    apiKey: undefined,
  });
  const set = settings({ args: ["--permission", "deny"], command: "/opt/turnmux" }, config);
  assert.deepEqual([set.url, set.apiKey, set.command], ["http://127.0.0.1:8000", "k", "/opt/turnmux"]);
  assert.equal(settings({ url: "http://localhost:9/" }, config).url, "http://localhost:9");
  assert.throws(() => settings({ url: "nowhere" }, {}), /is no address/);
  process.env.TURNMUX_TEST_KEY = "from-a-variable";
  const named = { models: { providers: { turnmux: { apiKey: "${TURNMUX_TEST_KEY}" } } } };
  assert.equal(settings({}, named).apiKey, "from-a-variable");
  // A key that OpenClaw has to look up itself is known with the first request.
  assert.equal(settings({}, { models: { providers: { turnmux: { apiKey: { source: "env" } } } } }).apiKey, undefined);
});

test("only a daemon on this machine is started", () => {
  const start = (url, start) => settings({ url, start }, {}).start;
  assert.ok(start("http://127.0.0.1:1") && start("http://[::1]:1") && start("http://localhost:1"));
  assert.ok(!start("http://192.168.0.2:1") && !start("https://turnmux.example") && !start("http://127.evil.example"));
  assert.ok(!start("http://127.0.0.1:1", false));
});

test("hooks tell turnmux what has ended", async (t) => {
  const turnmux = await fake(t, { "POST /v1/chat/session/reset": [200, {}] });
  const { api, kept } = openclaw({ url: turnmux.url });
  register(api, () => "agent:main:looked-up");
  kept.hooks.before_reset({}, { agentId: "main", sessionKey: "agent:main:main" });
  kept.hooks.session_end({ sessionId: "id", reason: "daily" }, { agentId: "main" });
  kept.hooks.session_end({ sessionId: "id", sessionKey: "k", reason: "new" }, {});
  await kept.service.stop();
  const told = turnmux.asked.map((call) => call.body.session).sort();
  assert.deepEqual(told, ["main::agent:main:looked-up", "main::agent:main:main"], "and one without an agent is nobody's");
});

test("the health route and the command say how it does", async (t) => {
  const turnmux = await fake(t, { "GET /health": [200, HEALTHY] });
  const { api, kept } = openclaw({ url: turnmux.url, start: false });
  register(api, undefined);
  assert.deepEqual([kept.route.path, kept.route.auth], ["/plugins/turnmux/health", "plugin"]);
  const front = createServer((request, response) => void kept.route.handler(request, response));
  await once(front.listen(0, "127.0.0.1"), "listening");
  const ask = async () => {
    const response = await fetch(`http://127.0.0.1:${front.address().port}/`);
    return [response.status, await response.json()];
  };
  const [well, is] = await ask();
  assert.deepEqual([well, is.ok, is.sessions], [200, true, 2]);
  await turnmux.stop();
  const [ill, isNot] = await ask();
  assert.deepEqual([ill, isNot.ok], [503, false]);
  front.closeAllConnections();
  front.close();

  const said = {};
  const command = new Proxy({}, { get: (_, name) => (value) => ((said[name] = value), command) });
  kept.cli.registrar({ program: command });
  const print = process.stdout.write;
  let printed = "";
  process.stdout.write = (text) => ((printed += text), true);
  try {
    await said.action({ json: true });
  } finally {
    process.stdout.write = print;
  }
  assert.equal(JSON.parse(printed).ok, false);
  assert.equal(process.exitCode, 1);
  process.exitCode = 0;
});

test("people are told in lines what is wrong", async (t) => {
  const ill = await fake(t, { "GET /health": [200, { ...HEALTHY, ok: false }] });
  assert.match(shown(await status(new Turnmux(ill.url))), /not ok\nits default backend cannot run/);
  const nobody = shown(await status(new Turnmux("http://127.0.0.1:9")));
  assert.match(nobody, /^turnmux at http:\/\/127.0.0.1:9: not ok\nnothing answers/);
  const stranger = await fake(t, { "GET /health": [200, []] });
  assert.match(shown(await status(new Turnmux(stranger.url))), /not as turnmux does/);
});

test("the manifest, the package and the code agree", () => {
  const manifest = read("openclaw.plugin.json");
  const { api, kept } = openclaw({});
  register(api, undefined);
  assert.deepEqual(manifest.providers, [kept.provider.id]);
  assert.deepEqual(manifest.cliBackends, [kept.backend.id]);
  assert.deepEqual(manifest.setup.cliBackends, manifest.cliBackends);
  assert.deepEqual(manifest.cliCommands, kept.cli.options.descriptors);
  const known = Object.keys(manifest.configSchema.properties).sort();
  assert.deepEqual(known, ["args", "command", "start", "url"]);
  assert.ok(readFileSync(new URL(`../${read("package.json").openclaw.extensions[0]}`, import.meta.url)).length > 0);
});
