/** turnmux's own API, as far as the plugin speaks it. */

/** How long an answer may take. turnmux itself waits five seconds for an interrupted turn to end. */
const ANSWER_MS = 8_000;
/** The largest answer that is read. */
const ANSWER_BYTES = 1 << 20;

/** What `GET /health` says, as far as it is looked at. */
export interface Health {
  ok: boolean;
  version: string;
  processes: number;
  sessions: number;
  queued: number;
  [more: string]: unknown;
}

/** What is there, at the address of turnmux. */
export type Found =
  | { kind: "turnmux"; health: Health }
  /** Something answers, and it is not turnmux. */
  | { kind: "stranger"; what: string }
  | { kind: "nothing"; why: string };

/** A turn, or whatever turn a session runs. */
export type Target = { turn: string } | { session: string };

/** A client of the daemon at `url`. */
export class Turnmux {
  #apiKey: string | undefined;

  constructor(
    readonly url: string,
    apiKey: string | undefined,
  ) {
    this.#apiKey = apiKey;
  }

  /** From now on speaks with this key: the one that a request was sent with is the one that is right. */
  useKey(key: string | undefined): void {
    if (key !== undefined && key !== "") this.#apiKey = key;
  }

  /** Stops a turn. False when there is none to stop. */
  async interrupt(target: Target): Promise<boolean> {
    return this.#post("/v1/chat/abort", target);
  }

  /**
   * Begins a turn whose answer is streamed. It may take as long as it takes; `signal` is how it is left.
   *
   * @throws Error when turnmux refuses it, with its reason.
   */
  async chat(body: unknown, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const init = { method: "POST", headers: { ...this.#headers(true), ...headers }, body: JSON.stringify(body), signal };
    const response = await fetch(`${this.url}/v1/chat/completions`, init);
    if (!response.ok) await this.#done(response);
    return response;
  }

  /** Answers a question of a session's. False when it has its answer already, or its turn is over. */
  async answer(session: string, request: string, decision: unknown, message?: string): Promise<boolean> {
    const body = { request, decision, ...(message === undefined ? {} : { message }) };
    const response = await this.#call("POST", `/v1/sessions/${encodeURIComponent(session)}/answer`, body);
    return response.status === 410 ? false : this.#done(response);
  }

  /** Ends a session's conversation: its next turn begins a new one. False when there is no such session. */
  async reset(session: string): Promise<boolean> {
    return this.#post("/v1/chat/session/reset", { session });
  }

  /** Ends a session and forgets it. False when there is no such session. */
  async forget(session: string): Promise<boolean> {
    return this.#done(await this.#call("DELETE", `/v1/sessions/${encodeURIComponent(session)}`));
  }

  /** Looks whether turnmux is there. Never throws. */
  async find(within_ms = ANSWER_MS): Promise<Found> {
    let response: Response;
    try {
      response = await this.#call("GET", "/health", undefined, within_ms);
    } catch (error) {
      return { kind: "nothing", why: reason(error) };
    }
    const health = await json(response).catch(() => undefined);
    if (isHealth(health)) return { kind: "turnmux", health };
    return { kind: "stranger", what: `${this.url}/health answers ${response.status}, and not as turnmux does` };
  }

  async #post(path: string, body: unknown): Promise<boolean> {
    return this.#done(await this.#call("POST", path, body));
  }

  async #done(response: Response): Promise<boolean> {
    const answer = await json(response).catch(() => undefined);
    if (response.ok) return true;
    if (response.status === 404) return false;
    throw new Error(`turnmux answers ${response.status}: ${message(answer) ?? "no reason given"}`);
  }

  async #call(method: string, path: string, body?: unknown, within_ms = ANSWER_MS): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: this.#headers(body !== undefined),
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(within_ms),
    });
  }

  #headers(hasBody: boolean): Record<string, string> {
    return {
      ...(this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` }),
      ...(hasBody ? { "content-type": "application/json" } : {}),
    };
  }
}

/** What went wrong, in one line. What fetch throws has its reason inside. */
export function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || ("code" in cause ? String(cause.code) : cause.name);
}

function isHealth(value: unknown): value is Health {
  return typeof value === "object" && value !== null && "ok" in value && "processes" in value && "version" in value;
}

function message(answer: unknown): string | undefined {
  const error = (answer as { error?: { message?: unknown } } | undefined)?.error;
  return typeof error?.message === "string" ? error.message : undefined;
}

async function json(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}
