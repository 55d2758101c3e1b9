// Model calls: whose they say they are, and what happens when they are stopped.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isStop } from "../dist/aborts.js";
import { Endings } from "../dist/endings.js";
import { Names } from "../dist/names.js";
import { provider } from "../dist/provider.js";
import { Turnmux } from "../dist/turnmux.js";
import { fake, keeper, within } from "./fake.mjs";

const ID = "160729ac-b419-4f85-af25-f2cf6de59b13";
const KEY = "agent:ops:telegram:direct:42";
const ABORT = "POST /v1/chat/abort";
const RESET = "POST /v1/chat/session/reset";

/** A provider in front of `url`, and one call of it whose stream ends when `end` is called. */
function rig(url, { lookup = () => KEY, agentId = "ops", workspaceDir = "/srv/ws" } = {}) {
  const log = keeper();
  const turnmux = new Turnmux(url, undefined);
  const endings = new Endings(turnmux, log);
  const sent = [];
  const streamFn = (_model, _context, options) => {
    let end;
    const over = new Promise((resolve) => (end = resolve));
    sent.push({ options, end });
    return { result: () => over };
  };
  const it = provider({ turnmux, names: new Names(lookup), endings, log });
  const call = it.wrapStreamFn({ agentId, workspaceDir, streamFn });
  return { it, log, endings, sent, call: (options) => call({}, {}, options) };
}

test("a call says whose it is", async () => {
  const { it, sent, call } = rig("http://127.0.0.1:9");
  await call({ sessionId: ID, headers: { "x-more": "kept" } });
  assert.deepEqual(sent[0].options.headers, {
    "x-more": "kept",
    "x-openclaw-agent-id": "ops",
    "x-openclaw-chat-id": KEY,
    "x-openclaw-workspace": "/srv/ws",
    "x-openclaw-session-id": ID,
  });
  assert.deepEqual(it.resolveTransportTurnState({ turnId: "t-1", attempt: 2 }).headers, {
    "x-openclaw-turn-id": "t-1",
    "x-openclaw-attempt": "2",
  });
});

test("what is not known has no header, and no store that fails fails a call", async () => {
  const lookup = () => {
    throw new Error("the database is locked");
  };
  const { sent, call } = rig("http://127.0.0.1:9", { lookup, workspaceDir: "" });
  await call({ sessionId: ID });
  assert.deepEqual(sent[0].options.headers, { "x-openclaw-agent-id": "ops", "x-openclaw-session-id": ID });
  await call(undefined);
  assert.deepEqual(sent[1].options.headers, { "x-openclaw-agent-id": "ops" });
});

test("what is asked for no agent is nobody's turn, and is answered as it always was", () => {
  const { it, sent } = rig("http://127.0.0.1:9");
  const stream = { result: () => Promise.resolve() };
  const streamFn = (_model, _context, options) => (sent.push({ options }), stream);
  const call = it.wrapStreamFn({ workspaceDir: "/srv/ws", streamFn });
  assert.equal(call({}, {}, { sessionId: ID }), stream, "no promise of it");
  assert.deepEqual(sent[0].options.headers, { "x-openclaw-workspace": "/srv/ws", "x-openclaw-session-id": ID });
});

test("headers can be sent whatever a folder is called", async () => {
  const { sent, call } = rig("http://127.0.0.1:9", { workspaceDir: "/home/josé/日本" });
  await call({ sessionId: ID });
  const sentBytes = Buffer.from(new Headers(sent[0].options.headers).get("x-openclaw-workspace"), "latin1");
  assert.equal(sentBytes.toString("utf8"), "/home/josé/日本");
  const broken = rig("http://127.0.0.1:9", { workspaceDir: "/a\r\nx-evil: 1" });
  await broken.call({ sessionId: ID });
  assert.equal(broken.sent[0].options.headers["x-openclaw-workspace"], undefined);
});

test("a stop is said aloud, for the turn that was answered, with the key of the request", async (t) => {
  const turnmux = await fake(t, { [ABORT]: [200, {}] });
  const { sent, call } = rig(turnmux.url);
  const stop = new AbortController();
  const seen = [];
  await call({ sessionId: ID, signal: stop.signal, apiKey: "k", onResponse: (response) => seen.push(response.status) });
  sent[0].options.onResponse({ status: 200, headers: { "x-turnmux-turn": "turn_1" } }, {});
  assert.deepEqual(seen, [200], "OpenClaw's own callback is called too");
  stop.abort();
  const [asked] = await turnmux.calls(1);
  assert.deepEqual([asked.what, asked.body], [ABORT, { turn: "turn_1" }]);
  assert.equal(asked.headers["authorization"], "Bearer k");
});

test("a stop before any answer names the session", async (t) => {
  const turnmux = await fake(t, { [ABORT]: [404, {}] });
  const { log, call } = rig(turnmux.url);
  const stop = new AbortController();
  await call({ sessionId: ID, signal: stop.signal });
  stop.abort();
  const [asked] = await turnmux.calls(1);
  assert.deepEqual(asked.body, { session: `ops::${KEY}` });
  assert.deepEqual(log.lines, [], "that there was nothing to stop is no trouble");
});

test("neither an impatient client nor a call that is over stops anything", async (t) => {
  const turnmux = await fake(t, { [ABORT]: [200, {}] });
  const { sent, call } = rig(turnmux.url);
  const late = new AbortController();
  await call({ sessionId: ID, signal: late.signal });
  late.abort(Object.assign(new Error("LLM idle timeout (120s): no response from model"), { name: "TimeoutError" }));
  const over = new AbortController();
  await call({ sessionId: ID, signal: over.signal });
  sent[1].end();
  await new Promise((resolve) => setImmediate(resolve));
  over.abort();
  const stop = new AbortController();
  await call({ sessionId: "other", signal: stop.signal });
  sent[2].options.onResponse({ status: 200, headers: { "x-turnmux-turn": "turn_3" } }, {});
  stop.abort();
  await turnmux.calls(1);
  assert.deepEqual(turnmux.asked.map((call) => call.body), [{ turn: "turn_3" }]);
});

test("reasons are told apart", () => {
  const error = (name, message, more = {}) => Object.assign(new Error(message), { name }, more);
  assert.ok(isStop(undefined) && isStop(new AbortController().signal.reason) && isStop("stopped"));
  assert.ok(isStop(new DOMException("This operation was aborted", "AbortError")));
  assert.ok(!isStop(error("TimeoutError", "request timed out")));
  assert.ok(!isStop(error("Error", "LLM idle timeout (6s): no response from model")));
  assert.ok(!isStop(error("AbortError", "aborted", { cause: error("TimeoutError", "request timed out") })));
  assert.ok(!isStop(error("AbortError", "agent run aborted for restart", { code: "OPENCLAW_RESTART_ABORT" })));
});

test("an abort that does not get through is logged, and fails nothing", async (t) => {
  const turnmux = await fake(t, { [ABORT]: [401, { error: { message: "the API key is wrong" } }] });
  const { log, call } = rig(turnmux.url);
  const stop = new AbortController();
  await call({ sessionId: ID, signal: stop.signal });
  stop.abort();
  await log.said("the API key is wrong");
});

test("a session's next call waits until turnmux knows that the one before has ended", async (t) => {
  let let_go;
  const held = new Promise((resolve) => (let_go = resolve));
  const turnmux = await fake(t, { [RESET]: () => held.then(() => [200, {}]) });
  const { endings, sent, call } = rig(turnmux.url);
  endings.ended(`ops::${KEY}`, "new");
  await turnmux.calls(1);
  const next = call({ sessionId: ID });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sent.length, 0, "not sent yet");
  let_go();
  await within(next, "the call");
  assert.equal(sent.length, 1);
  assert.deepEqual(turnmux.asked[0].body, { session: `ops::${KEY}` });
});

test("an ending that is told while a call runs is not passed on: it could meet the new conversation", async (t) => {
  const turnmux = await fake(t, { [RESET]: [200, {}] });
  const { endings, sent, call } = rig(turnmux.url);
  await call({ sessionId: ID });
  endings.ended(`ops::${KEY}`, "new");
  await endings.all();
  assert.equal(turnmux.asked.length, 0);
  sent[0].end();
  await new Promise((resolve) => setImmediate(resolve));
  endings.ended(`ops::${KEY}`, "new");
  await endings.all();
  assert.equal(turnmux.asked.length, 1);
});

test("only what ends a conversation ends it, and what is deleted is forgotten", async (t) => {
  const forget = `DELETE /v1/sessions/${encodeURIComponent(`ops::${KEY}`)}`;
  const turnmux = await fake(t, { [RESET]: [200, {}], [forget]: [404, {}] });
  const { endings, log } = rig(turnmux.url);
  for (const reason of ["compaction", "shutdown", "restart", "unknown", undefined]) endings.ended(`ops::${KEY}`, reason);
  for (const reason of ["new", "reset", "idle", "daily", "deleted"]) endings.ended(`ops::${KEY}`, reason);
  await endings.all();
  const expected = [RESET, RESET, RESET, RESET, forget];
  assert.deepEqual(turnmux.asked.map((call) => call.what), expected);
  assert.deepEqual(log.lines, []);
});

test("no daemon at all fails no ending", async () => {
  const { endings, log } = rig("http://127.0.0.1:9");
  endings.ended("ops::x", "new");
  await within(endings.all(), "the ending");
  await log.said("did not get through");
});

test("names are remembered, the oldest go first, and hooks are the second choice", () => {
  const names = new Names(({ sessionId }) => (sessionId === "stored" ? "from-store" : undefined));
  names.learn("told", "from-hook");
  assert.equal(names.key("stored", "ops"), "from-store");
  assert.equal(names.key("told", "ops"), "from-hook");
  assert.equal(names.key("nobody", "ops"), undefined);
  for (let n = 0; n < 5000; n++) names.learn(`id-${n}`, "k");
  assert.equal(names.key("told", "ops"), undefined);
});
