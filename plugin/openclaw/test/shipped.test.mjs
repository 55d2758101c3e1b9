// What is shipped is what the source says: `dist/` is compiled anew and held against what is there.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(HERE, "dist");

test("dist is the compiled source", (t) => {
  const compiler = join(HERE, "node_modules/typescript/bin/tsc");
  assert.ok(existsSync(compiler), "run `npm ci` in plugin/openclaw");
  const folder = mkdtempSync(join(tmpdir(), "turnmux-plugin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync(process.execPath, [compiler, "--project", HERE, "--outDir", folder], { stdio: "inherit" });
  assert.deepEqual(readdirSync(DIST).sort(), readdirSync(folder).sort(), "run `npm run build`");
  for (const name of readdirSync(folder)) {
    const [is, compiled] = [DIST, folder].map((place) => readFileSync(join(place, name), "utf8"));
    assert.equal(is, compiled, `${name} is stale: run \`npm run build\``);
  }
});
