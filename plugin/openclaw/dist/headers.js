/** The headers that tell turnmux whose request it is. */
/** Headers for a request; what is not known has none. */
export function whose({ agentId, chat, workspaceDir, sessionId }) {
    return present({
        "x-openclaw-agent-id": agentId,
        "x-openclaw-chat-id": chat,
        "x-openclaw-workspace": workspaceDir,
        "x-openclaw-session-id": sessionId,
    });
}
/** Headers for one try of a request. */
export function which(turnId, attempt) {
    return present({ "x-openclaw-turn-id": turnId, "x-openclaw-attempt": attempt?.toString() });
}
function present(headers) {
    const kept = {};
    for (const [name, value] of Object.entries(headers)) {
        // A header with a line break would fail the whole request; a key or a path that has one names nothing.
        if (value !== undefined && value !== "" && !/[\0-\x1f\x7f]/.test(value))
            kept[name] = bytes(value);
    }
    return kept;
}
/** turnmux reads headers as UTF-8; fetch sends each character as one byte, and refuses those that have more. */
function bytes(value) {
    return Buffer.from(value, "utf8").toString("latin1");
}
