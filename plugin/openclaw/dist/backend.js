/**
 * The CLI backend `turnmux-cli`: OpenClaw runs an agent's turns here as it runs those of a `claude` of its own, and turnmux carries
 * them out.
 *
 * OpenClaw then sends what is new and nothing else, has its own tools reachable by MCP, is asked before claude does what needs
 * leave, and shows what claude does. Nothing is started: the command that OpenClaw wants to know is Node itself, which is
 * always there.
 */
import { execute } from "./execute.js";
/** The backend's name: `agentRuntime.id` of a model, or the model's provider. */
export const BACKEND = "turnmux-cli";
/** Silence is no failure: turnmux sends a heartbeat each 15 seconds, and ends a turn whose agent is gone. */
const WATCHDOG = { noOutputTimeoutRatio: 1, minMs: 600_000, maxMs: 24 * 3_600_000 };
/** What is registered with OpenClaw. */
export function backend(parts) {
    return {
        id: BACKEND,
        modelProvider: "turnmux",
        config: {
            command: process.execPath,
            args: [],
            // That there is another list for it is how OpenClaw knows that sessions can go on.
            resumeArgs: ["--resume", "{sessionId}"],
            sessionArgs: ["--session-id", "{sessionId}"],
            sessionMode: "always",
            sessionIdFields: ["session_id"],
            output: "jsonl",
            jsonlDialect: "claude-stream-json",
            input: "stdin",
            modelArg: "--model",
            // Without it another system prompt would end the conversation. It reaches turnmux by another way.
            systemPromptFileArg: "--append-system-prompt-file",
            systemPromptWhen: "always",
            // Turns of one session wait in turnmux's line for each other; those of different sessions are to run side by side.
            serialize: false,
            // A turn that an agent may have begun is not run a second time.
            freshSessionRecovery: "invalidated-only",
            reliability: { watchdog: { fresh: WATCHDOG, resume: WATCHDOG } },
        },
        bundleMcp: true,
        bundleMcpMode: "claude-config-file",
        ownsNativeCompaction: true,
        // A run that is to have certain tools only is not for it: claude has its own, which turnmux cannot take away.
        nativeToolMode: "always-on",
        prepareExecution: ({ agentDir }) => ({ execute: (context) => execute(parts, context, agentDir) }),
    };
}
