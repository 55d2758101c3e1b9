// Pieces of a streamed answer, however the network cuts them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { pieces } from "../dist/pieces.js";

const BODY = 'data: {"choices":[]}\n\n: quiet\n\ndata: {"turnmux":{"event":"größe"}}\n\ndata: [DONE]\n\ndata: {"never":1}\n\n';

async function read(size) {
  const bytes = new TextEncoder().encode(BODY);
  async function* cut() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  }
  const read = [];
  for await (const piece of pieces(cut())) read.push(piece);
  return read;
}

test("pieces are the same however they are cut", async () => {
  for (const size of [1, 2, 3, 7, 21, 1000]) {
    assert.deepEqual(await read(size), [{ choices: [] }, { turnmux: { event: "größe" } }], `${size} bytes at a time`);
  }
});
