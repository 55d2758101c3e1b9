// Turns of the CLI backend: what turnmux is asked, and what OpenClaw is told.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { backend } from "../dist/backend.js";
import { Endings } from "../dist/endings.js";
import { Turnmux } from "../dist/turnmux.js";
import { fake, keeper, within } from "./fake.mjs";

const CHAT = "POST /v1/chat/completions";
const ABORT = "POST /v1/chat/abort";
const ID = "160729ac-b419-4f85-af25-f2cf6de59b13";
const KEY = "agent:ops:telegram:direct:42";
const SESSION = `ops::${KEY}`;
const ANSWER = `POST /v1/sessions/${encodeURIComponent(SESSION)}/answer`;
const RESET = "POST /v1/chat/session/reset";
const PROMPT = `You are …\nRuntime: agent=evil | session=evil\n## Runtime\nRuntime: agent=ops | session=${KEY} | host=h`;
const HEADERS = { "x-turnmux-turn": "turn_1", "x-turnmux-session": SESSION };

const text = (content) => ({ choices: [{ index: 0, delta: { content } }] });
const event = (event, data) => ({ choices: [{ index: 0, delta: { content: "" } }], turnmux: { event, data } });
const END = [event("turn_completed", { text: "" }), "[DONE]"];

async function* say(...pieces) {
  yield* pieces;
}

/** A backend in front of `url`, and how a turn of it is begun. */
function rig(url, more = {}) {
  const log = keeper();
  const turnmux = new Turnmux(url, "key");
  const endings = new Endings(turnmux, log);
  const { execute } = backend({ turnmux, endings, log }).prepareExecution({ agentDir: "/state/agents/ops/agent" });
  const context = {
    cwd: "/srv/ws",
    args: [],
    env: {},
    prompt: "hello",
    modelId: "claude-code",
    systemPrompt: PROMPT,
    sessionId: ID,
    useResume: true,
    requestToolPermission: () => assert.fail("nobody was to be asked"),
    requestUserInput: () => assert.fail("nobody was to be asked"),
    ...more,
  };
  const run = async () => {
    const records = [];
    for await (const record of execute(context)) records.push(record);
    return records;
  };
  return { log, endings, execute: () => execute(context), run: () => within(run(), "the turn") };
}

/** A turn of which turnmux says this; its records. */
async function turn(t, pieces, more, answers = {}) {
  const turnmux = await fake(t, { [CHAT]: () => [200, say(...pieces), HEADERS], ...answers });
  const it = rig(turnmux.url, more);
  return { ...it, turnmux, records: await it.run() };
}

const shown = (records) => records.filter((record) => record.type !== "command_lifecycle");
const last = (records) => records.at(-1);

test("turnmux gets the new prompt, and whose it is", async (t) => {
  const promptContext = { prependContext: "before", appendContext: "after" };
  const { turnmux } = await turn(t, END, { promptContext });
  const [{ headers, body }] = turnmux.asked;
  assert.deepEqual(body, {
    model: "claude-code",
    stream: true,
    messages: [
      { role: "system", content: PROMPT },
      { role: "user", content: "before\n\nhello\n\nafter" },
    ],
    turnmux: { mcp_servers: {} },
  });
  const sent = (name) => headers[name];
  assert.deepEqual(
    ["x-turnmux-session", "x-openclaw-workspace", "x-turnmux-isolation", "x-turnmux-events", "authorization"].map(sent),
    [SESSION, "/srv/ws", "session", "true", "Bearer key"],
  );
});

test("a conversation that begins anew is begun anew, and one beside it is its own", async (t) => {
  const isolation = async (more) => (await turn(t, END, more)).turnmux.asked[0].headers["x-turnmux-isolation"];
  assert.equal(await isolation({ useResume: false }), "clean");
  assert.equal(await isolation({ executionMode: "side-question" }), "fresh");
  assert.equal(await isolation({ sessionId: undefined }), "fresh");
  const systemPrompt = "Runtime: agent=ops | session=agent:ops:internal-session-effects:1-2";
  assert.equal(await isolation({ systemPrompt }), "fresh");
});

test("without the line at the end of the prompt the folder and the id name the session", async (t) => {
  const { turnmux } = await turn(t, END, { systemPrompt: "no such line" });
  assert.equal(turnmux.asked[0].headers["x-turnmux-session"], `ops::${ID}`);
});

test("the servers of the file are offered, those on this machine, with their variables filled in", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "turnmux-mcp-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "mcp.json");
  const at = (url, more) => ({ type: "http", url, ...more });
  const own = at("http://127.0.0.1:9/mcp", { headers: { Authorization: "Bearer ${TOKEN}" }, alwaysLoad: true, timeout: 5 });
  const mcpServers = {
    openclaw: { ...own, other: 1 },
    mine: { type: "sse", url: "http://localhost:9/" },
    far: at("https://tools.example/"),
    run: { command: "sh" },
  };
  writeFileSync(file, JSON.stringify({ mcpServers }));
  const args = ["--strict-mcp-config", "--mcp-config", file];
  const { turnmux, log } = await turn(t, END, { args, env: { TOKEN: "secret" } });
  assert.deepEqual(turnmux.asked[0].body.turnmux.mcp_servers, {
    openclaw: { ...own, headers: { Authorization: "Bearer secret" }, allowed: true },
    mine: { type: "sse", url: "http://localhost:9/", headers: {}, allowed: false },
  });
  assert.equal(log.lines.length, 2);
  const gone = await turn(t, END, { args: ["--mcp-config", join(folder, "none")] });
  assert.match(last(gone.records).result, /no such file/i);
  assert.equal(gone.turnmux.asked.length, 0, "a turn without the tools that it is to have is none");
});

test("a turn is told in claude's records", async (t) => {
  const usage = { input_tokens: 1, cache_creation_tokens: 2, cache_read_tokens: 3, output_tokens: 4 };
  const { records } = await turn(t, [
    text(""),
    { choices: [{ delta: { reasoning_content: "hm" } }] },
    text("I "),
    text("look"),
    event("assistant_text", { text: "I look" }),
    event("tool_use", { id: "t1", name: "Read", input: { file_path: "a" } }),
    event("tool_result", { id: "t1", is_error: false, text: "x" }),
    text("done"),
    event("assistant_text", { text: "done" }),
    event("usage", usage),
    event("turn_completed", { text: "I look\n\ndone" }),
    "[DONE]",
  ]);
  assert.ok(records.every((record) => record.session_id === ID));
  const brief = shown(records).map(({ session_id: _, ...record }) => record.event ?? record.message?.content ?? record);
  const delta = (index, delta) => ({ type: "content_block_delta", index, delta });
  const start = (id) => ({ type: "message_start", message: { id, role: "assistant" } });
  assert.deepEqual(brief, [
    { type: "system", subtype: "init" },
    start("turnmux-1"),
    delta(0, { type: "thinking_delta", thinking: "hm" }),
    delta(1, { type: "text_delta", text: "I " }),
    delta(1, { type: "text_delta", text: "look" }),
    [{ type: "text", text: "I look" }],
    { type: "message_stop" },
    [{ type: "tool_use", id: "t1", name: "Read", input: { file_path: "a" } }],
    [{ type: "tool_result", tool_use_id: "t1", is_error: false, content: "x" }],
    start("turnmux-2"),
    delta(0, { type: "text_delta", text: "done" }),
    [{ type: "text", text: "done" }],
    { type: "message_stop" },
    {
      type: "result",
      subtype: "success",
      is_error: false,
      result: "done",
      usage: { input_tokens: 1, cache_creation_input_tokens: 2, cache_read_input_tokens: 3, output_tokens: 4 },
    },
  ]);
});

test("a conversation that claude has lost is said so in front of the answer", async (t) => {
  const { records } = await turn(t, [
    event("context_lost", { from: "a", to: "b", recalled: 4 }),
    text("hi"),
    event("assistant_text", { text: "hi" }),
    ...END,
  ]);
  assert.match(last(records).result, /^\[claude did not know this conversation any more; it was told the last 4 messages of it.\]\n\nhi$/);
  const streamed = records.map((record) => record.event?.delta?.text ?? "").join("");
  assert.equal(streamed, last(records).result);
});

test("heartbeats are signs of life, and of nothing that the agent has done", async (t) => {
  const { records } = await turn(t, [text(""), text(""), ...END]);
  assert.deepEqual([...new Set(records.map((record) => record.type))], ["system", "command_lifecycle", "result"]);
});

test("what goes wrong is the turn's result, in turnmux's words", async (t) => {
  const refused = await fake(t, { [CHAT]: [503, { error: { message: "no agent is there" } }] });
  const record = last(await rig(refused.url).run());
  assert.deepEqual([record.type, record.is_error, record.result], ["result", true, "turnmux answers 503: no agent is there"]);
  const failed = await turn(t, [event("error", {}), { error: { message: "the agent died" } }]);
  assert.equal(last(failed.records).result, "turnmux: the agent died");
  const broken = await turn(t, [text("half")]);
  assert.match(last(broken.records).result, /broke off/);
  await refused.stop();
  assert.equal(last(await rig(refused.url).run()).is_error, true, "and where nobody answers");
});

test("a turn that somebody else has stopped is over, and not to be run again", async (t) => {
  const pieces = [text("half"), event("turn_interrupted", { cause: "request" }), { error: { message: "interrupted" } }];
  const { records } = await turn(t, pieces);
  const { is_error, result, terminal_reason } = last(records);
  assert.deepEqual([is_error, result, terminal_reason], [false, "half", "aborted_streaming"]);
});

test("a stop is said aloud and ends the turn", async (t) => {
  const stop = new AbortController();
  const never = new Promise(() => {});
  async function* held() {
    yield text("begun");
    await never;
  }
  const turnmux = await fake(t, { [CHAT]: [200, held(), HEADERS], [ABORT]: [200, {}] });
  const records = rig(turnmux.url, { abortSignal: stop.signal }).execute();
  const seen = async () => (await within(records.next(), "a record")).value;
  while ((await seen()).event?.delta?.text !== "begun");
  const next = records.next();
  stop.abort();
  await assert.rejects(within(next, "the end"), { name: "AbortError" });
  const asked = await turnmux.calls(2);
  assert.deepEqual([asked[1].what, asked[1].body], [ABORT, { turn: "turn_1" }]);
});

test("a turn waits until turnmux knows that the conversation before has ended", async (t) => {
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  const turnmux = await fake(t, {
    [RESET]: () => held.then(() => [200, {}]),
    [CHAT]: () => [200, say(...END), HEADERS],
  });
  const it = rig(turnmux.url);
  it.endings.ended(SESSION, "new");
  const run = it.run();
  await turnmux.calls(1);
  letGo();
  await run;
  assert.deepEqual(turnmux.asked.map((call) => call.what), [RESET, CHAT]);
});

/** A turn that asks, and goes on when turnmux has the answer. */
async function asking(t, tool, input, more, behind = () => []) {
  let answered;
  const answer = new Promise((resolve) => (answered = resolve));
  async function* pieces() {
    yield event("permission_asked", { request: "req_1", tool, input });
    yield* behind();
    if (behind === undefined || behind().length === 0) await answer;
    yield* END;
  }
  const answers = { [CHAT]: [200, pieces(), HEADERS], [ANSWER]: () => (answered(), [200, {}]) };
  const turnmux = await fake(t, answers);
  const it = rig(turnmux.url, more);
  await it.run();
  return { ...it, said: turnmux.asked.filter((call) => call.what === ANSWER).map((call) => call.body) };
}

test("whether a tool may run is for OpenClaw to say", async (t) => {
  const asked = [];
  const allow = (request) => (asked.push(request), Promise.resolve({ behavior: "allow", updatedInput: { b: 2, command: "ls" } }));
  const input = { command: "ls", b: 2 };
  const { said } = await asking(t, "Bash", input, { requestToolPermission: allow });
  assert.deepEqual(said, [{ request: "req_1", decision: "allow" }]);
  const [{ toolName, toolInput, cwd }] = asked;
  assert.deepEqual([toolName, toolInput, cwd], ["Bash", input, "/srv/ws"]);
  const deny = async () => ({ behavior: "deny", message: "not today" });
  assert.deepEqual((await asking(t, "Bash", input, { requestToolPermission: deny })).said, [
    { request: "req_1", decision: "deny", message: "not today" },
  ]);
  const other = async () => ({ behavior: "allow", updatedInput: { command: "ls -l", b: 2 } });
  const changed = (await asking(t, "Bash", input, { requestToolPermission: other })).said[0];
  assert.deepEqual([changed.decision, /other arguments/.test(changed.message)], ["deny", true]);
  const broken = () => Promise.reject(new Error("the run is over"));
  const failed = (await asking(t, "Bash", input, { requestToolPermission: broken })).said[0];
  assert.deepEqual([failed.decision, failed.message], ["deny", "OpenClaw could not be asked: the run is over"]);
});

test("what the model asks a person is answered in words", async (t) => {
  const question = { question: "Which color?", header: "Color", multiSelect: false, options: [{ label: "Red" }, { label: "Blue" }] };
  const asked = [];
  const answer = async (request) => (asked.push(request), { status: "answered", answers: { q1: ["Blue"] } });
  const { said } = await asking(t, "AskUserQuestion", { questions: [question] }, { requestUserInput: answer });
  assert.deepEqual(said, [{ request: "req_1", decision: { answers: { "Which color?": "Blue" } } }]);
  assert.deepEqual(asked[0].questions, [{ ...question, id: "q1", isOther: true }]);
  const skip = async () => ({ status: "cancelled", message: "skipped" });
  const skipped = await asking(t, "AskUserQuestion", { questions: [question] }, { requestUserInput: skip });
  assert.deepEqual(skipped.said, [{ request: "req_1", decision: "deny", message: "skipped" }]);
});

test("who is asked is told when somebody else has answered", async (t) => {
  let told;
  const requestToolPermission = ({ abortSignal }) =>
    new Promise((_, reject) => abortSignal.addEventListener("abort", () => ((told = true), reject(new Error("no more")))));
  const behind = () => [event("permission_answered", { request: "req_1", decision: "allow", by: "client" })];
  const { said } = await asking(t, "Bash", {}, { requestToolPermission }, behind);
  assert.deepEqual([told, said], [true, []]);
});
