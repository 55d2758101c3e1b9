/**
 * Tells turnmux of conversations that are over: `/new`, `/reset`, the daily and the idle reset, deletion.
 *
 * With the next message turnmux would find out by itself, for OpenClaw counts its conversations. Told at once, it lets go of
 * the process and of what the agent knows when the user does.
 *
 * A reset must never meet the new conversation. So a session's next request waits until turnmux has been told; and what is said
 * of a session while a request of it runs is left to the count, for it may come late.
 */
import { reason as why } from "./turnmux.js";
/** Reasons after which nothing of the conversation goes on. A compaction or a restart is none. */
const RESETS = new Set(["new", "reset", "idle", "daily"]);
const DELETED = "deleted";
/** How many sessions may be ending at once; what comes beyond is left to the count. */
const PENDING_MAX = 256;
/** The endings that turnmux is being told of. */
export class Endings {
    turnmux;
    log;
    #pending = new Map();
    #running = new Map();
    constructor(turnmux, log) {
        this.turnmux = turnmux;
        this.log = log;
    }
    /** A session's conversation has ended, for this reason. `session` is turnmux's name of it. */
    ended(session, reason) {
        const isDeleted = reason === DELETED;
        if (!isDeleted && (reason === undefined || !RESETS.has(reason)))
            return;
        if (this.#running.has(session) || this.#pending.size >= PENDING_MAX)
            return;
        const told = this.#tell(session, isDeleted, this.#pending.get(session)).finally(() => {
            if (this.#pending.get(session) === told)
                this.#pending.delete(session);
        });
        this.#pending.set(session, told);
    }
    /** What a request of the session has to wait for, if for anything. It never fails, and telling has its time limit. */
    before(session) {
        return this.#pending.get(session);
    }
    /** A request of the session begins. What comes back is to be called once, when it is over. */
    begin(session) {
        this.#running.set(session, (this.#running.get(session) ?? 0) + 1);
        return () => {
            const others = (this.#running.get(session) ?? 1) - 1;
            if (others > 0)
                this.#running.set(session, others);
            else
                this.#running.delete(session);
        };
    }
    /** Waits for all of them. */
    async all() {
        await Promise.all(this.#pending.values());
    }
    async #tell(session, isDeleted, before) {
        await before;
        try {
            await (isDeleted ? this.turnmux.forget(session) : this.turnmux.reset(session));
        }
        catch (error) {
            // The next request's count says it again.
            this.log.debug?.(`turnmux: the end of ${session} did not get through: ${why(error)}`);
        }
    }
}
