/** The provider: model calls that say whose they are, and when they are stopped. */
import { AbortWatch } from "./aborts.js";
import { which, whose } from "./headers.js";
import { sessionName } from "./names.js";
import { PROVIDER } from "./settings.js";
/** The provider `turnmux`. Addresses and models are those of `models.providers.turnmux`. */
export function provider(parts) {
    return {
        id: PROVIDER,
        label: "turnmux",
        auth: [],
        wrapStreamFn: (context) => {
            const inner = context.streamFn;
            return inner && ((model, input, options) => call(parts, context, inner, model, input, options ?? {}));
        },
        resolveTransportTurnState: ({ turnId, attempt }) => ({ headers: which(turnId, attempt) }),
    };
}
/**
 * One call. It gives what OpenClaw's own function gives, and no promise of that where there is nothing to wait for, for not all
 * callers take one.
 */
function call(parts, { agentId, workspaceDir }, inner, model, input, options) {
    const { turnmux, names, endings, log } = parts;
    const { sessionId, signal } = options;
    turnmux.useKey(options.apiKey);
    // What is asked for no agent is asked beside the conversation, whoever's id it bears.
    const chat = sessionId === undefined || agentId === undefined ? undefined : names.key(sessionId, agentId);
    const session = agentId !== undefined && chat !== undefined ? sessionName(agentId, chat) : undefined;
    const headers = { ...options.headers, ...whose({ agentId, chat, workspaceDir, sessionId }) };
    const send = () => {
        const over = session === undefined ? undefined : endings.begin(session);
        const watch = signal && new AbortWatch(turnmux, signal, session, log);
        const onResponse = (response, of) => {
            watch?.answered(response);
            return options.onResponse?.(response, of);
        };
        const done = () => {
            watch?.end();
            over?.();
        };
        try {
            const stream = inner(model, input, { ...options, headers, onResponse });
            void ended(stream).then(done, done);
            return stream;
        }
        catch (error) {
            done();
            throw error;
        }
    };
    const before = session === undefined ? undefined : endings.before(session);
    return before === undefined ? send() : before.then(send);
}
/** Settles when the stream is over, for better or worse; at once where it is of a kind that does not tell. */
async function ended(stream) {
    const result = (await stream)?.result;
    if (typeof result === "function")
        await result.call(await stream);
}
