/** Servers of tools: what OpenClaw has written into the file for `--mcp-config`, as turnmux takes it. */
import { readFile } from "node:fs/promises";
import { isLoopback } from "./settings.js";
/** OpenClaw's own server. It asks its own policy about every call, so nobody is asked a second time. */
const OWN = "openclaw";
/**
 * Reads the file that the arguments name. Their variables are filled in from `env`, for turnmux's agents have another.
 *
 * @returns by name; empty where there is none. Servers that are no HTTP servers on this machine are left out.
 * @throws Error when the file is there and cannot be read.
 */
export async function offeredServers(args, env, log) {
    const at = args.indexOf("--mcp-config");
    const file = at < 0 ? undefined : args[at + 1];
    if (file === undefined)
        return {};
    const config = JSON.parse(await readFile(file, "utf8"));
    const servers = record(record(config)?.["mcpServers"]) ?? {};
    const taken = {};
    for (const [name, server] of Object.entries(servers)) {
        const one = offered(name, record(filled(server, env)) ?? {});
        if (one === undefined)
            log.debug?.(`turnmux: the agent does not get the MCP server ${name}: it is none on this machine`);
        else
            taken[name] = one;
    }
    return taken;
}
function offered(name, server) {
    const { type, url, headers, alwaysLoad, timeout } = server;
    if ((type !== "http" && type !== "sse") || typeof url !== "string" || !URL.canParse(url))
        return undefined;
    const { protocol, hostname } = new URL(url);
    if (protocol !== "http:" || !isLoopback(hostname))
        return undefined;
    const texts = Object.entries(record(headers) ?? {}).filter((pair) => typeof pair[1] === "string");
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
function filled(value, env) {
    if (typeof value === "string")
        return value.replace(/\$\{([A-Za-z0-9_]+)\}/g, (whole, name) => env[name] ?? whole);
    if (Array.isArray(value))
        return value.map((one) => filled(one, env));
    const fields = record(value);
    return fields ? Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, filled(one, env)])) : value;
}
function record(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}
