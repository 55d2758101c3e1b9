/**
 * Whose turn it is. OpenClaw tells a CLI backend only the id that it has given to the backend's own session; its agent and its session's
 * key stand in the last line of the system prompt that it has made, behind everything that others could have written there.
 */

import { basename, dirname } from "node:path";

/** What is known of a turn. */
export interface Whose {
  agent: string | undefined;
  /** OpenClaw's key of the session. */
  chat: string | undefined;
}

/** The mark of sessions that OpenClaw keeps for itself: nobody comes back to them. */
const INTERNAL = "internal-session-effects";

/** Reads the line; the agent's folder (`agents/ID/agent`) is the second choice. */
export function whoseTurn(systemPrompt: string, agentDir: string | undefined): Whose {
  const line = systemPrompt.match(/^Runtime: .*$/gm)?.at(-1) ?? "";
  const fields = new Map(
    line
      .slice("Runtime: ".length)
      .split(" | ")
      .map((field) => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)] as const),
  );
  const folder = agentDir === undefined ? undefined : basename(dirname(agentDir));
  return { agent: fields.get("agent") ?? folder, chat: fields.get("session") };
}

/** Whether nobody comes back to such a session. */
export function isInternal(chat: string): boolean {
  return chat.includes(INTERNAL);
}
