/**
 * Keeps a turnmux running: one that is there is taken as it is, else one is started, and started again when it ends.
 *
 *     looking ──► watching (it answers) ──► looking (it is gone)
 *        │
 *        └──► running (our own child) ──► waiting (it ended) ──► looking
 *
 * There are never two: nothing is started before the address was asked, one child is waited for before the next, and turnmux
 * itself refuses a port or a store that another one has.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reason } from "./turnmux.js";
const TIMES = {
    look: 15_000,
    ready: 20_000,
    backoffFirst: 500,
    backoffMax: 30_000,
    lasting: 60_000,
    stop: 15_000,
};
/** How much of the end of the log an error quotes. */
const QUOTED_BYTES = 600;
/** A log that is longer is begun anew with the next start. */
const LOG_BYTES = 8 << 20;
/** The keeper of one daemon. */
export class Daemon {
    settings;
    turnmux;
    log;
    folder;
    #state = { now: "off", ended: 0 };
    #stopping = new AbortController();
    #loop;
    #times;
    constructor(settings, turnmux, log, 
    /** Where the child's output goes: `turnmux.log` in this folder. */
    folder, times = {}) {
        this.settings = settings;
        this.turnmux = turnmux;
        this.log = log;
        this.folder = folder;
        this.#times = { ...TIMES, ...times };
    }
    /** How it stands now. */
    get state() {
        return { ...this.#state };
    }
    /** Begins. A second call changes nothing. */
    start() {
        if (this.#loop !== undefined)
            return;
        this.#stopping = new AbortController();
        this.#loop = this.#keep(this.#stopping.signal);
    }
    /** Ends, and stops the child if there is one. Done when it is gone. */
    async stop() {
        this.#stopping.abort();
        await this.#loop;
        this.#loop = undefined;
        this.#set({ now: "off" });
    }
    async #keep(stopping) {
        let backoff = this.#times.backoffFirst;
        while (!stopping.aborted) {
            if (this.#state.now !== "watching")
                this.#set({ now: "looking" });
            const found = await this.turnmux.find();
            if (stopping.aborted)
                return;
            if (found.kind === "turnmux") {
                if (this.#state.now !== "watching")
                    this.log.info(`turnmux: there is one at ${this.settings.url}`);
                this.#set({ now: "watching" });
                await pause(this.#times.look, stopping);
                continue;
            }
            if (found.kind === "stranger") {
                this.#trouble(`${found.what}; give turnmux a port of its own, in models.providers.turnmux.baseUrl`);
                this.#state.now = "waiting";
                await pause(this.#times.backoffMax, stopping);
                continue;
            }
            const began = Date.now();
            await this.#run(stopping);
            if (stopping.aborted)
                return;
            if (Date.now() - began >= this.#times.lasting)
                backoff = this.#times.backoffFirst;
            this.#state.now = "waiting";
            this.log.debug?.(`turnmux: again in ${backoff} ms`);
            await pause(backoff, stopping);
            backoff = Math.min(backoff * 2, this.#times.backoffMax);
        }
    }
    /** One child, from its start to its end. */
    async #run(stopping) {
        const { command, args, url } = this.settings;
        let log;
        try {
            log = this.#openLog();
        }
        catch (error) {
            this.#trouble(`${this.folder} cannot be written: ${reason(error)}`);
            return;
        }
        this.#set({ now: "starting" });
        const child = spawn(command, ["serve", "--listen", new URL(url).host, ...args], { stdio: ["ignore", "pipe", log] });
        const gone = new Promise((resolve) => {
            child.once("error", (error) => {
                const missing = error.code === "ENOENT";
                resolve(missing ? `there is no program "${command}": set plugins.entries.turnmux.config.command` : error.message);
            });
            child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? `status ${code}`}`));
        });
        const over = new AbortController();
        const left = gone.then((how) => (over.abort(), how));
        const stop = () => this.#stopChild(child, over.signal);
        stopping.addEventListener("abort", stop, { once: true });
        try {
            await this.#untilReady(child, over);
            const how = await left;
            if (stopping.aborted)
                return;
            this.#state.ended += 1;
            const said = quoted(log);
            this.#trouble(`${how}${said === "" ? "" : `; it said: ${said}`}`);
        }
        finally {
            stopping.removeEventListener("abort", stop);
            delete this.#state.pid;
            closeSync(log);
        }
    }
    /** turnmux says on stdout where it listens, as soon as it does. That another one answers there would say nothing. */
    async #untilReady(child, over) {
        const limit = AbortSignal.any([over.signal, AbortSignal.timeout(this.#times.ready)]);
        const said = child.stdout && (await once(child.stdout, "data", { signal: limit }).catch(() => undefined));
        // What else it says is not looked at, and must not fill the pipe.
        child.stdout?.resume();
        if (said !== undefined && said !== null) {
            this.log.info(`turnmux: started at ${this.settings.url}, process ${child.pid}`);
            this.#set({ now: "running", ...(child.pid === undefined ? {} : { pid: child.pid }) });
        }
        else if (!over.signal.aborted) {
            this.#trouble(`it did not say within ${this.#times.ready / 1000} s that it listens`);
            child.kill("SIGKILL");
        }
    }
    #stopChild(child, over) {
        child.kill("SIGTERM");
        void pause(this.#times.stop, over).then(() => {
            if (!over.aborted)
                child.kill("SIGKILL");
        });
    }
    #openLog() {
        mkdirSync(this.folder, { recursive: true });
        const path = join(this.folder, "turnmux.log");
        const log = openSync(path, "a+", 0o600);
        if (fstatSync(log).size <= LOG_BYTES)
            return log;
        closeSync(log);
        return openSync(path, "w+", 0o600);
    }
    #set(state) {
        const { ended, trouble } = this.#state;
        const isOver = state.now === "watching" || state.now === "running" || state.now === "off";
        this.#state = { ended, ...state, ...(isOver || trouble === undefined ? {} : { trouble }) };
    }
    #trouble(what) {
        if (this.#state.trouble === what)
            return;
        this.#state.trouble = what;
        this.log.warn(`turnmux: ${what}`);
    }
}
/** The end of what was written, in one line. */
function quoted(log) {
    const end = fstatSync(log).size;
    const at = Math.max(0, end - QUOTED_BYTES);
    const buffer = Buffer.alloc(end - at);
    readSync(log, buffer, 0, buffer.length, at);
    return buffer.toString("utf8").trim().split("\n").slice(-3).join(" / ");
}
/** Waits so long, or until the signal. */
async function pause(ms, signal) {
    await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
