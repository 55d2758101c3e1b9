/**
 * Questions from inside a turn, relayed to OpenClaw: whether a tool may run, and what a person says to what the model asks.
 *
 * OpenClaw goes by its own policy, and asks the session's people where that says so. turnmux's backend has the last word: with
 * `permission = "deny"` nothing is asked.
 */
import { reason } from "./turnmux.js";
/** The tool by which the model asks a person. */
const ASKS_PERSON = "AskUserQuestion";
/** The questions of one turn that wait. */
export class Questions {
    turnmux;
    session;
    context;
    log;
    #open = new Map();
    /** @param session turnmux's name of the session that asks. */
    constructor(turnmux, session, context, log) {
        this.turnmux = turnmux;
        this.session = session;
        this.context = context;
        this.log = log;
    }
    /** Looks whether an event is one, and answers it when there is an answer. The turn goes on meanwhile. */
    event(event, data) {
        const request = text(data["request"]);
        if (request === undefined)
            return;
        if (event === "permission_asked") {
            const asked = new AbortController();
            this.#open.set(request, asked);
            void this.#answer(request, text(data["tool"]) ?? "", record(data["input"]), asked.signal);
        }
        else if (event === "permission_answered") {
            // By another client, by a yes for the whole session, or for want of one.
            this.#settled(request);
        }
    }
    /** The turn is over: whoever is still asked need not answer. */
    end() {
        for (const request of [...this.#open.keys()])
            this.#settled(request);
    }
    async #answer(request, tool, input, abortSignal) {
        let decision = "deny";
        let message;
        try {
            if (tool === ASKS_PERSON)
                [decision, message] = await this.#words(request, tool, input, abortSignal);
            else
                [decision, message] = await this.#leave(request, tool, input, abortSignal);
        }
        catch (error) {
            message = `OpenClaw could not be asked: ${reason(error)}`;
        }
        if (!this.#open.delete(request))
            return;
        try {
            await this.turnmux.answer(this.session, request, decision, message);
        }
        catch (error) {
            this.log.warn(`turnmux: an answer to ${tool} did not get through: ${reason(error)}`);
        }
    }
    async #leave(request, toolName, toolInput, abortSignal) {
        const asked = { toolName, toolInput, toolCallId: request, cwd: this.context.cwd, abortSignal };
        const said = await this.context.requestToolPermission(asked);
        if (said.behavior === "deny")
            return ["deny", said.message];
        // turnmux lets a tool run as it was asked for, or not at all.
        if (!isSame(said.updatedInput, toolInput)) {
            return ["deny", "OpenClaw allows it with other arguments only, which cannot be passed on."];
        }
        return ["allow", undefined];
    }
    async #words(request, toolName, input, abortSignal) {
        const questions = questionsOf(input);
        const said = await this.context.requestUserInput({ toolName, questions, toolCallId: request, abortSignal });
        if (said.status === "cancelled")
            return ["deny", said.message];
        const answers = {};
        for (const { id, question } of questions) {
            const answer = said.answers[id]?.join(", ");
            if (answer !== undefined && answer !== "")
                answers[question] = answer;
        }
        return [{ answers }, undefined];
    }
    #settled(request) {
        this.#open.get(request)?.abort();
        this.#open.delete(request);
    }
}
/** What the tool asks, as OpenClaw takes it. */
function questionsOf(input) {
    const asked = Array.isArray(input["questions"]) ? input["questions"].map(record) : [];
    return asked.map((one, index) => ({
        id: `q${index + 1}`,
        header: text(one["header"]) ?? `Question ${index + 1}`,
        question: text(one["question"]) ?? "",
        multiSelect: one["multiSelect"] === true,
        isOther: true,
        options: Array.isArray(one["options"])
            ? one["options"].map(record).map((option) => ({
                label: text(option["label"]) ?? "",
                ...(text(option["description"]) === undefined ? {} : { description: text(option["description"]) ?? "" }),
            }))
            : null,
    }));
}
/** Whether two JSON values say the same, in whatever order. */
function isSame(a, b) {
    if (typeof a !== "object" || a === null || typeof b !== "object" || b === null)
        return Object.is(a, b);
    const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
    return Array.isArray(a) === Array.isArray(b) && left.length === right.size && left.every(([k, v]) => right.has(k) && isSame(v, right.get(k)));
}
function text(value) {
    return typeof value === "string" && value !== "" ? value : undefined;
}
function record(value) {
    return typeof value === "object" && value !== null ? value : {};
}
