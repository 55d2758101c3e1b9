/**
 * Questions from inside a turn, relayed to OpenClaw: whether a tool may run, and what a person says to what the model asks.
 *
 * OpenClaw goes by its own policy, and asks the session's people where that says so. turnmux's backend has the last word: with
 * `permission = "deny"` nothing is asked.
 */

import type { CliExecuteContext, Logger, UserInputQuestion } from "./sdk.js";
import { reason, type Turnmux } from "./turnmux.js";

/** The tool by which the model asks a person. */
const ASKS_PERSON = "AskUserQuestion";

/** What turnmux takes for an answer. */
type Decision = "allow" | "deny" | { answers: Record<string, string> };

/** The questions of one turn that wait. */
export class Questions {
  readonly #open = new Map<string, AbortController>();

  /** @param session turnmux's name of the session that asks. */
  constructor(
    readonly turnmux: Turnmux,
    readonly session: string,
    readonly context: Pick<CliExecuteContext, "cwd" | "requestToolPermission" | "requestUserInput">,
    readonly log: Logger,
  ) {}

  /** Looks whether an event is one, and answers it when there is an answer. The turn goes on meanwhile. */
  event(event: string, data: Record<string, unknown>): void {
    const request = text(data["request"]);
    if (request === undefined) return;
    if (event === "permission_asked") {
      const asked = new AbortController();
      this.#open.set(request, asked);
      void this.#answer(request, text(data["tool"]) ?? "", record(data["input"]), asked.signal);
    } else if (event === "permission_answered") {
      // By another client, by a yes for the whole session, or for want of one.
      this.#settled(request);
    }
  }

  /** The turn is over: whoever is still asked need not answer. */
  end(): void {
    for (const request of [...this.#open.keys()]) this.#settled(request);
  }

  async #answer(request: string, tool: string, input: Record<string, unknown>, abortSignal: AbortSignal): Promise<void> {
    let decision: Decision = "deny";
    let message: string | undefined;
    try {
      if (tool === ASKS_PERSON) [decision, message] = await this.#words(request, tool, input, abortSignal);
      else [decision, message] = await this.#leave(request, tool, input, abortSignal);
    } catch (error) {
      message = `OpenClaw could not be asked: ${reason(error)}`;
    }
    if (!this.#open.delete(request)) return;
    try {
      await this.turnmux.answer(this.session, request, decision, message);
    } catch (error) {
      this.log.warn(`turnmux: an answer to ${tool} did not get through: ${reason(error)}`);
    }
  }

  async #leave(request: string, toolName: string, toolInput: Record<string, unknown>, abortSignal: AbortSignal) {
    const asked = { toolName, toolInput, toolCallId: request, cwd: this.context.cwd, abortSignal };
    const said = await this.context.requestToolPermission(asked);
    if (said.behavior === "deny") return ["deny", said.message] as [Decision, string];
    // turnmux lets a tool run as it was asked for, or not at all.
    if (!isSame(said.updatedInput, toolInput)) {
      return ["deny", "OpenClaw allows it with other arguments only, which cannot be passed on."] as [Decision, string];
    }
    return ["allow", undefined] as [Decision, undefined];
  }

  async #words(request: string, toolName: string, input: Record<string, unknown>, abortSignal: AbortSignal) {
    const questions = questionsOf(input);
    const said = await this.context.requestUserInput({ toolName, questions, toolCallId: request, abortSignal });
    if (said.status === "cancelled") return ["deny", said.message] as [Decision, string];
    const answers: Record<string, string> = {};
    for (const { id, question } of questions) {
      const answer = said.answers[id]?.join(", ");
      if (answer !== undefined && answer !== "") answers[question] = answer;
    }
    return [{ answers }, undefined] as [Decision, undefined];
  }

  #settled(request: string): void {
    this.#open.get(request)?.abort();
    this.#open.delete(request);
  }
}

/** What the tool asks, as OpenClaw takes it. */
function questionsOf(input: Record<string, unknown>): UserInputQuestion[] {
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
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return Object.is(a, b);
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return Array.isArray(a) === Array.isArray(b) && left.length === right.size && left.every(([k, v]) => right.has(k) && isSame(v, right.get(k)));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
