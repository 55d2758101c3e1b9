/** What of OpenClaw itself is imported; see `sdk.ts` for why it is written down here. */

declare module "openclaw/plugin-sdk/plugin-entry" {
  export function definePluginEntry(entry: {
    id: string;
    name: string;
    description: string;
    register(api: import("./sdk.js").PluginApi): void;
  }): unknown;
}

declare module "openclaw/plugin-sdk/session-store-runtime" {
  export function resolveTranscriptSessionKeyBySessionId(asked: {
    agentId?: string;
    sessionId: string;
  }): string | undefined;
}
