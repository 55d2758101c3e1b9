/** What the operator has set, and what follows from it. */

import { isIP } from "node:net";

import type { Config } from "./sdk.js";

/** The provider whose requests go to turnmux. */
export const PROVIDER = "turnmux";

const URL_DEFAULT = "http://127.0.0.1:7433";

/** The plugin's settings, with every default filled in. */
export interface Settings {
  /** Where turnmux listens: no path, no slash at the end. */
  url: string;
  /** Whether the gateway starts turnmux where none answers. */
  start: boolean;
  command: string;
  /** What follows `turnmux serve --listen …`. */
  args: string[];
  /** The key that the configuration names in plain words; requests carry their own. */
  apiKey: string | undefined;
}

/**
 * Reads the plugin's own configuration (`plugins.entries.turnmux.config`) and that of its provider.
 *
 * @throws Error when the address is none.
 */
export function settings(plugin: Record<string, unknown> | undefined, config: Config): Settings {
  const provider = config.models?.providers?.[PROVIDER];
  const named = text(plugin?.["url"]) ?? text(provider?.baseUrl) ?? URL_DEFAULT;
  if (!URL.canParse(named)) {
    throw new Error(`turnmux: "${named}" is no address; write one such as ${URL_DEFAULT}`);
  }
  const { origin, hostname } = new URL(named);
  const start = plugin?.["start"];
  const args = plugin?.["args"];
  return {
    url: origin,
    // Elsewhere it is somebody else's to start.
    start: isLoopback(hostname) && start !== false,
    command: text(plugin?.["command"]) ?? "turnmux",
    args: Array.isArray(args) ? args.filter((arg) => typeof arg === "string") : [],
    apiKey: key(text(provider?.apiKey)),
  };
}

/** Whether a URL's host is this machine. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "");
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

/** A key, or the variable that has it. */
function key(named: string | undefined): string | undefined {
  const variable = named?.match(/^\$\{(\w+)\}$/)?.[1];
  return variable === undefined ? named : text(process.env[variable]);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}
