/** Servers of tools: what OpenClaw has written into the file for `--mcp-config`, as turnmux takes it. */

import { readFile } from "node:fs/promises";

import { isLoopback } from "./settings.js";
import type { Logger } from "./sdk.js";

/** OpenClaw's own server. It asks its own policy about every call, so nobody is asked a second time. */
const OWN = "openclaw";

/** A server as turnmux takes it. */
export interface OfferedServer {
  type: "http" | "sse";
  url: string;
  headers: Record<string, string>;
  alwaysLoad?: boolean;
  timeout?: number;
  allowed: boolean;
}

/**
 * Reads the file that the arguments name. Their variables are filled in from `env`, for turnmux's agents have another.
 *
 * @returns by name; empty where there is none. Servers that are no HTTP servers on this machine are left out.
 * @throws Error when the file is there and cannot be read.
 */
export async function offeredServers(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  log: Logger,
): Promise<Record<string, OfferedServer>> {
  const at = args.indexOf("--mcp-config");
  const file = at < 0 ? undefined : args[at + 1];
  if (file === undefined) return {};
  const config: unknown = JSON.parse(await readFile(file, "utf8"));
  const servers = record(record(config)?.["mcpServers"]) ?? {};
  const taken: Record<string, OfferedServer> = {};
  for (const [name, server] of Object.entries(servers)) {
    const one = offered(name, record(filled(server, env)) ?? {});
    if (one === undefined) log.debug?.(`turnmux: the agent does not get the MCP server ${name}: it is none on this machine`);
    else taken[name] = one;
  }
  return taken;
}

function offered(name: string, server: Record<string, unknown>): OfferedServer | undefined {
  const { type, url, headers, alwaysLoad, timeout } = server;
  if ((type !== "http" && type !== "sse") || typeof url !== "string" || !URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  if (protocol !== "http:" || !isLoopback(hostname)) return undefined;
  const texts = Object.entries(record(headers) ?? {}).filter((pair): pair is [string, string] => typeof pair[1] === "string");
  return {
    type,
    url,
    headers: Object.fromEntries(texts),
    ...(alwaysLoad === true ? { alwaysLoad } : {}),
    ...(typeof timeout === "number" && Number.isSafeInteger(timeout) && timeout > 0 ? { timeout } : {}),
    allowed: name === OWN,
  };
}

/** The value with every `${NAME}` in its texts filled in; one that is not known stays. */
function filled(value: unknown, env: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") return value.replace(/\$\{([A-Za-z0-9_]+)\}/g, (whole, name: string) => env[name] ?? whole);
  if (Array.isArray(value)) return value.map((one) => filled(one, env));
  const fields = record(value);
  return fields ? Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, filled(one, env)])) : value;
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
