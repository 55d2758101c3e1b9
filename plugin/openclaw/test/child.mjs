// A program in turnmux's place. `serve --listen HOST:PORT`; further arguments say how it is to be.

import { createServer } from "node:http";

const [, , verb, flag, address, how] = process.argv;
if (verb !== "serve" || flag !== "--listen") process.exit(2);
const [host, port] = address.split(":");
if (how === "fails") {
  process.stderr.write("the store is another daemon's\n");
  process.exit(1);
}
const health = JSON.stringify({ ok: true, version: "0.1.0", processes: 0, sessions: 0, queued: 0, pid: process.pid });
const server = createServer((request, response) => {
  if (request.url === "/exit") process.exit(3);
  response.end(health);
});
server.on("error", () => process.exit(4));
server.listen(Number(port), host, () => process.stdout.write(`turnmux listens on http://${address}\n`));
if (how === "stubborn") process.on("SIGTERM", () => {});
else process.on("SIGTERM", () => process.exit(0));
