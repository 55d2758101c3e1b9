/**
 * Says aborts aloud.
 *
 * A closed connection can mean a Stop, or a client that has lost patience and is about to ask again: turnmux waits for the
 * second (`sessions.linger`). OpenClaw knows which it is, so the plugin says so, and the agent stops at once.
 */
import { reason } from "./turnmux.js";
/** Which of turnmux's turns an answer is. */
const TURN_HEADER = "x-turnmux-turn";
/** OpenClaw takes a conversation up again after a restart: its turn may go on meanwhile. */
const RESTART_CODE = "OPENCLAW_RESTART_ABORT";
/** Watches one request for its abort. */
export class AbortWatch {
    #turn;
    #stop;
    #said;
    /**
     * @param session turnmux's name of the session, for an abort before there is an answer.
     * @param log where failures are told; they change nothing for OpenClaw.
     */
    constructor(turnmux, signal, session, log) {
        const onAbort = () => {
            if (!isStop(signal.reason))
                return;
            const target = this.#turn !== undefined ? { turn: this.#turn } : session !== undefined ? { session } : undefined;
            if (target === undefined)
                return;
            const failed = (error) => log.warn(`turnmux: an abort did not get through: ${reason(error)}`);
            this.#said = turnmux.interrupt(target).catch(failed);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        this.#stop = () => signal.removeEventListener("abort", onAbort);
    }
    /** Learns from the answer's head which turn it is. */
    answered(response) {
        this.#turn = response.headers[TURN_HEADER] ?? this.#turn;
    }
    /** Settles when turnmux has heard of the abort, where there was one. */
    async heard() {
        await this.#said;
    }
    /** The request is over. */
    end() {
        this.#stop();
    }
}
/** Whether somebody wants the turn to end, as far as the signal says: time limits are followed by another try. */
export function isStop(why) {
    if (!(why instanceof Error))
        return true;
    const inner = why.cause;
    const code = (error) => error?.code;
    if (code(why) === RESTART_CODE || code(inner) === RESTART_CODE)
        return false;
    const isTimeout = (error) => error instanceof Error && (error.name === "TimeoutError" || /timeout|timed out/i.test(error.message));
    return !isTimeout(why) && !isTimeout(inner);
}
