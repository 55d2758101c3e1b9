/**
 * Which conversation a session id of OpenClaw's is.
 *
 * Model calls know the session's id alone. The key (`agent:main:telegram:direct:42`) is what people know, and what stays when
 * OpenClaw gives a conversation another id. It is looked up in OpenClaw's own store, for hooks are not called in every mode;
 * what a hook has said is the second choice.
 */
/** How many ids are remembered; the oldest go first. */
const KNOWN_MAX = 4096;
/** What is known of sessions. */
export class Names {
    lookup;
    #keys = new Map();
    constructor(lookup) {
        this.lookup = lookup;
    }
    /** Learns what a hook says. */
    learn(sessionId, key) {
        if (key === undefined || key === "")
            return;
        this.#keys.delete(sessionId);
        this.#keys.set(sessionId, key);
        const oldest = this.#keys.keys().next();
        if (this.#keys.size > KNOWN_MAX && !oldest.done)
            this.#keys.delete(oldest.value);
    }
    /** The session's key, where anybody knows it. */
    key(sessionId, agentId) {
        const known = this.#keys.get(sessionId);
        if (known !== undefined)
            return known;
        try {
            this.learn(sessionId, this.lookup?.(agentId === undefined ? { sessionId } : { agentId, sessionId }));
        }
        catch {
            // The store may be closed, or of another release. The id alone names the session just as well.
        }
        return this.#keys.get(sessionId);
    }
}
/** The key that turnmux gives the session: OpenClaw's agent and the conversation. */
export function sessionName(agentId, chat) {
    return `${agentId}::${chat}`;
}
