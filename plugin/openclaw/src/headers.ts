/** The headers that tell turnmux whose request it is. */

/** What is known of a request. */
export interface Whose {
  agentId?: string | undefined;
  /** The conversation, as OpenClaw's session key. */
  chat?: string | undefined;
  workspaceDir?: string | undefined;
  sessionId?: string | undefined;
}

/** Headers for a request; what is not known has none. */
export function whose({ agentId, chat, workspaceDir, sessionId }: Whose): Record<string, string> {
  return present({
    "x-openclaw-agent-id": agentId,
    "x-openclaw-chat-id": chat,
    "x-openclaw-workspace": workspaceDir,
    "x-openclaw-session-id": sessionId,
  });
}

/** Headers for one try of a request. */
export function which(turnId: string | undefined, attempt: number | undefined): Record<string, string> {
  return present({ "x-openclaw-turn-id": turnId, "x-openclaw-attempt": attempt?.toString() });
}

function present(headers: Record<string, string | undefined>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    // A header with a line break would fail the whole request; a key or a path that has one names nothing.
    if (value !== undefined && value !== "" && !/[\0-\x1f\x7f]/.test(value)) kept[name] = bytes(value);
  }
  return kept;
}

/** turnmux reads headers as UTF-8; fetch sends each character as one byte, and refuses those that have more. */
function bytes(value: string): string {
  return Buffer.from(value, "utf8").toString("latin1");
}
