/** A streamed answer of turnmux's: server-sent events, each of them a piece. */

/** The longest piece that is read, in characters: a tool may say much. */
const PIECE_MAX = 64 << 20;

/** A piece, as far as it is looked at. */
export interface Piece {
  choices?: { delta?: { content?: string; reasoning_content?: string }; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number; prompt_tokens_details?: { cached_tokens?: number } };
  error?: { message?: string; code?: string };
  /** What happened, beside the answer's text. */
  turnmux?: { event: string; data?: Record<string, unknown> };
}

/**
 * The pieces of a body, up to `[DONE]`.
 *
 * @throws Error when one is no JSON, or too long.
 */
export async function* pieces(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<Piece, void, void> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let pending = "";
  // Up to where no event's end was found: a long piece comes in thousands of parts.
  let searched = 0;
  for await (const bytes of body) {
    pending += decoder.decode(bytes, { stream: true });
    let end: number;
    while ((end = pending.indexOf("\n\n", searched)) >= 0) {
      const event = pending.slice(0, end);
      pending = pending.slice(end + 2);
      searched = 0;
      if (!event.startsWith("data: ")) continue;
      const data = event.slice("data: ".length);
      if (data === "[DONE]") return;
      yield JSON.parse(data) as Piece;
    }
    // The last character may be the first half of an end.
    searched = Math.max(0, pending.length - 1);
    if (pending.length > PIECE_MAX) throw new Error(`a piece of the answer has more than ${PIECE_MAX} characters`);
  }
}
