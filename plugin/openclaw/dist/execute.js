/** One turn of a CLI backend: a chat request to turnmux, and what it says as claude's records. */
import { setTimeout } from "node:timers/promises";
import { AbortWatch, isStop } from "./aborts.js";
import { whose } from "./headers.js";
import { sessionName } from "./names.js";
import { offeredServers } from "./offered.js";
import { pieces } from "./pieces.js";
import { Questions } from "./questions.js";
import { Records } from "./records.js";
import { isInternal, whoseTurn } from "./runtime.js";
import { reason } from "./turnmux.js";
/** How long a connection may stay for turnmux to hear of a stop, in milliseconds; OpenClaw waits for five seconds. */
const HEARD_MS = 3_000;
/**
 * Carries a turn out. The records end with one `result`, whatever happens, unless OpenClaw itself stops the turn.
 *
 * The session is OpenClaw's agent and its session, by the names that people know. A conversation that OpenClaw begins anew begins with a
 * clean context there; one that it goes on with finds its process, which may be the one of minutes ago or another.
 */
export async function* execute(parts, context, agentDir) {
    const { turnmux, endings, log } = parts;
    const { agent, chat } = whoseTurn(context.systemPrompt, agentDir);
    const own = context.sessionId;
    const session = sessionName(agent ?? "openclaw", chat ?? own ?? crypto.randomUUID());
    const records = new Records(own ?? session);
    yield records.begin();
    await endings.before(session);
    const over = endings.begin(session);
    const left = new AbortController();
    const stop = context.abortSignal;
    const watch = stop && new AbortWatch(turnmux, stop, session, log);
    // The connection stays until turnmux has heard of a stop: the turn is stopped, and not one whose client is gone.
    const heard = () => Promise.race([watch?.heard(), setTimeout(HEARD_MS, undefined, { ref: false })]);
    const onStop = () => {
        if (isStop(stop?.reason))
            void heard().then(() => left.abort());
        else
            left.abort();
    };
    stop?.addEventListener("abort", onStop, { once: true });
    let questions;
    try {
        stop?.throwIfAborted();
        const response = await turnmux.chat(await body(context, log), headers(context, session, chat, agent), left.signal);
        watch?.answered({ status: response.status, headers: Object.fromEntries(response.headers) });
        // A session that nobody comes back to has another name than it was asked for.
        questions = new Questions(turnmux, response.headers.get("x-turnmux-session") ?? session, context, log);
        let ending;
        for await (const piece of pieces(response.body)) {
            const { event, data = {} } = piece.turnmux ?? { event: "" };
            questions.event(event, data);
            if (event === "turn_completed")
                ending = () => records.completed();
            if (event === "turn_interrupted")
                ending = () => records.stopped();
            if (piece.error !== undefined)
                ending ??= () => [records.failed(piece.error?.message ?? "the turn failed")];
            let isSilent = true;
            for (const record of records.of(piece)) {
                isSilent = false;
                yield record;
            }
            if (isSilent)
                yield records.alive();
        }
        yield* ending?.() ?? [records.failed("the answer broke off; whether the turn goes on is in its session's events")];
    }
    catch (error) {
        if (stop?.aborted)
            throw error;
        yield records.failed(reason(error));
    }
    finally {
        questions?.end();
        watch?.end();
        stop?.removeEventListener("abort", onStop);
        if (stop?.aborted)
            await heard();
        left.abort();
        over();
    }
}
/** The request. */
async function body(context, log) {
    const { prompt, promptContext, systemPrompt, modelId } = context;
    const parts = [promptContext?.prependContext, prompt, promptContext?.appendContext];
    const system = systemPrompt === "" ? [] : [{ role: "system", content: systemPrompt }];
    return {
        model: modelId,
        stream: true,
        messages: [...system, { role: "user", content: parts.filter(Boolean).join("\n\n") }],
        turnmux: { mcp_servers: await offeredServers(context.args, context.env, log) },
    };
}
function headers(context, session, chat, agent) {
    const isBeside = context.executionMode === "side-question" || context.sessionId === undefined || isInternal(session);
    const isolation = isBeside ? "fresh" : context.useResume ? "session" : "clean";
    return {
        ...whose({ agentId: agent, chat, workspaceDir: context.cwd }),
        ...whole(session),
        "x-turnmux-isolation": isolation,
        "x-turnmux-events": "true",
    };
}
/** The session's name as a header, where it can be one. */
function whole(session) {
    const { "x-openclaw-chat-id": name } = whose({ chat: session });
    return name === undefined ? {} : { "x-turnmux-session": name };
}
