// A turnmux for the tests: it writes down what it is asked, and answers as it is told.

import { createServer } from "node:http";
import { once } from "node:events";

/** Longest wait of any test, in milliseconds. */
export const LIMIT_MS = 10_000;

/**
 * Starts one on a free port, until the test `t` ends. `answers` is from `METHOD path` to `[status, body]`, or to a
 * function that gives one. A body that is an async iterable is streamed, as `[status, pieces, headers]`. */
export async function fake(t, answers = {}) {
  const asked = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const call = { what: `${request.method} ${request.url}`, headers: request.headers, body: text && JSON.parse(text) };
    asked.push(call);
    waiting.splice(0).forEach((look) => look());
    const answer = answers[call.what] ?? [404, { error: { message: "no such thing" } }];
    const [status, body, headers] = typeof answer === "function" ? await answer(call) : answer;
    if (body[Symbol.asyncIterator]) {
      response.writeHead(status, { "content-type": "text/event-stream", ...headers });
      response.flushHeaders();
      for await (const piece of body) response.write(`data: ${typeof piece === "string" ? piece : JSON.stringify(piece)}\n\n`);
      response.end();
      return;
    }
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const stop = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((done) => server.close(done));
  };
  t.after(stop);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    /** Waits until it was asked so often. */
    async calls(count) {
      while (asked.length < count) await within(new Promise((look) => waiting.push(look)), `call ${count}`);
      return asked;
    },
    stop,
  };
}

export const HEALTHY = { ok: true, version: "0.1.0", processes: 1, sessions: 2, queued: 0 };

/** The value, or an error that says what did not come. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A logger that keeps its lines. */
export function keeper() {
  const lines = [];
  const waiting = [];
  const add = (line) => {
    lines.push(line);
    waiting.splice(0).forEach((look) => look());
  };
  return {
    lines,
    debug: add,
    info: add,
    warn: add,
    error: add,
    /** Waits for a line that has this in it. */
    async said(what, times = 1) {
      while (lines.filter((line) => line.includes(what)).length < times) {
        await within(new Promise((look) => waiting.push(look)), `the line "${what}" (${lines.join(" | ")})`);
      }
    },
  };
}
