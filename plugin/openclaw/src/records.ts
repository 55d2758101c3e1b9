/**
 * What turnmux tells of a turn, in the records that OpenClaw knows from `claude` (stream-json): text as it forms, tool calls and their
 * results, thinking, whole messages, and the one `result`.
 */

import type { Piece } from "./pieces.js";

/** One of claude's records. */
export type CliRecord = Record<string, unknown>;

/** The records of one turn. */
export class Records {
  readonly #session: string;
  #messages = 0;
  /** The text of the message that forms, which has none yet when it is empty. */
  #text = "";
  /** What stands before the model's words in it. */
  #before = "";
  #thinks = false;
  #isOpen = false;
  /** The last message that had text: claude's own result is that. */
  #last = "";
  #usage: Record<string, number> | undefined;

  /** @param session OpenClaw's id of the session, which it keeps. */
  constructor(session: string) {
    this.#session = session;
  }

  /** The first record: whose turn it is. */
  begin(): CliRecord {
    return this.#record({ type: "system", subtype: "init" });
  }

  /** Something that says nothing but that the turn is alive; it is no sign that the agent has done anything. */
  alive(): CliRecord {
    return this.#record({ type: "command_lifecycle", state: "started" });
  }

  /** What a piece of the answer is; nothing where it says nothing. */
  *of(piece: Piece): Generator<CliRecord, void, void> {
    const delta = piece.choices?.[0]?.delta;
    if (delta?.reasoning_content) yield* this.#delta({ type: "thinking_delta", thinking: delta.reasoning_content }, 0);
    if (delta?.content) {
      this.#text += delta.content;
      yield* this.#delta({ type: "text_delta", text: delta.content }, this.#thinks ? 1 : 0);
    }
    if (piece.turnmux) yield* this.#event(piece.turnmux.event, piece.turnmux.data ?? {});
  }

  /** The last record of a turn that the agent has ended. */
  *completed(): Generator<CliRecord, void, void> {
    yield* this.#close();
    yield this.#record({
      type: "result",
      subtype: "success",
      is_error: false,
      result: this.#last,
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
    });
  }

  /** The last record of a turn that was stopped, by somebody else than OpenClaw. */
  *stopped(): Generator<CliRecord, void, void> {
    yield* this.#close();
    // OpenClaw tells its user so, and does not run the turn again.
    const terminal_reason = "aborted_streaming";
    yield this.#record({ type: "result", subtype: "success", is_error: false, result: this.#last, terminal_reason });
  }

  /** The last record of a turn that went wrong. */
  failed(message: string): CliRecord {
    const result = message.startsWith("turnmux") ? message : `turnmux: ${message}`;
    return this.#record({ type: "result", subtype: "error_during_execution", is_error: true, result, errors: [result] });
  }

  *#event(event: string, data: Record<string, unknown>): Generator<CliRecord, void, void> {
    switch (event) {
      case "assistant_text":
        // The whole message: what counts where it differs from the pieces.
        if (typeof data["text"] === "string") this.#text = this.#before + data["text"];
        yield* this.#close();
        break;
      case "tool_use": {
        yield* this.#close();
        const call = { type: "tool_use", id: data["id"], name: data["name"], input: data["input"] };
        yield this.#message("assistant", [call]);
        break;
      }
      case "tool_result": {
        const result = { type: "tool_result", tool_use_id: data["id"], is_error: data["is_error"], content: data["text"] };
        yield this.#message("user", [result]);
        break;
      }
      case "context_lost":
        // In front of the answer, in the same message: OpenClaw keeps the last one alone.
        this.#before = `[claude did not know this conversation any more; it was told the last ${data["recalled"]} messages of it.]\n\n`;
        this.#text += this.#before;
        yield* this.#delta({ type: "text_delta", text: this.#before }, 0);
        break;
      case "usage":
        this.#usage = usageOf(data);
        break;
    }
  }

  *#delta(delta: CliRecord, index: number): Generator<CliRecord, void, void> {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#messages += 1;
      yield this.#stream({ type: "message_start", message: { id: this.#id(), role: "assistant" } });
    }
    if (delta["type"] === "thinking_delta") this.#thinks = true;
    yield this.#stream({ type: "content_block_delta", index, delta });
  }

  /** The message that forms is whole. */
  *#close(): Generator<CliRecord, void, void> {
    if (this.#isOpen && this.#text !== "") {
      this.#last = this.#text;
      yield this.#message("assistant", [{ type: "text", text: this.#text }]);
    }
    if (this.#isOpen) yield this.#stream({ type: "message_stop" });
    [this.#text, this.#before, this.#isOpen, this.#thinks] = ["", "", false, false];
  }

  #message(role: "assistant" | "user", content: CliRecord[]): CliRecord {
    return this.#record({ type: role, message: { ...(role === "assistant" ? { id: this.#id() } : {}), role, content } });
  }

  #stream(event: CliRecord): CliRecord {
    return this.#record({ type: "stream_event", event });
  }

  #id(): string {
    return `turnmux-${this.#messages}`;
  }

  #record(record: CliRecord): CliRecord {
    return { ...record, session_id: this.#session };
  }
}

/** Tokens under claude's names. */
function usageOf(data: Record<string, unknown>): Record<string, number> {
  const names = {
    input_tokens: "input_tokens",
    cache_creation_tokens: "cache_creation_input_tokens",
    cache_read_tokens: "cache_read_input_tokens",
    output_tokens: "output_tokens",
  };
  const known = Object.entries(names).map(([ours, claudes]) => [claudes, data[ours]] as const);
  return Object.fromEntries(known.filter((pair): pair is [string, number] => typeof pair[1] === "number"));
}
