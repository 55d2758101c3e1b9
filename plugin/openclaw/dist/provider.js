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
async function call(parts, { agentId, workspaceDir }, inner, model, input, options) {
    const { turnmux, names, endings, log } = parts;
    const { sessionId, signal } = options;
    turnmux.useKey(options.apiKey);
    const chat = sessionId === undefined ? undefined : names.key(sessionId, agentId);
    const session = agentId !== undefined && chat !== undefined ? sessionName(agentId, chat) : undefined;
    const over = session === undefined ? undefined : await endings.begin(session);
    const watch = signal && new AbortWatch(turnmux, signal, session, log);
    const done = () => {
        watch?.end();
        over?.();
    };
    const onResponse = (response, of) => {
        watch?.answered(response);
        return options.onResponse?.(response, of);
    };
    const headers = { ...options.headers, ...whose({ agentId, chat, workspaceDir, sessionId }) };
    try {
        const stream = await inner(model, input, { ...options, headers, onResponse });
        ended(stream, done);
        return stream;
    }
    catch (error) {
        done();
        throw error;
    }
}
/** Calls back when the stream is over, for better or worse; at once where it is of a kind that does not tell. */
function ended(stream, then) {
    const result = stream?.result;
    if (typeof result === "function")
        Promise.resolve(result.call(stream)).then(then, then);
    else
        then();
}
