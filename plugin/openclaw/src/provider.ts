/** The provider: model calls that say whose they are, and when they are stopped. */

import { AbortWatch } from "./aborts.js";
import type { Endings } from "./endings.js";
import { which, whose } from "./headers.js";
import { sessionName, type Names } from "./names.js";
import type { HttpResponse, Logger, Provider, StreamFn, StreamOptions, WrapContext } from "./sdk.js";
import { PROVIDER } from "./settings.js";
import type { Turnmux } from "./turnmux.js";

/** What the provider stands on. */
export interface Parts {
  turnmux: Turnmux;
  names: Names;
  endings: Endings;
  log: Logger;
}

/** The provider `turnmux`. Addresses and models are those of `models.providers.turnmux`. */
export function provider(parts: Parts): Provider {
  return {
    id: PROVIDER,
    label: "turnmux",
    auth: [],
    wrapStreamFn: (context) => {
      const inner = context.streamFn;
      return inner && ((model, input, options) => call(parts, context, inner, model, input, options ?? {}));
    },
    resolveTransportTurnState: ({ turnId, attempt }) => ({ headers: which(turnId, attempt) }),
  };
}

async function call(
  parts: Parts,
  { agentId, workspaceDir }: WrapContext,
  inner: StreamFn,
  model: unknown,
  input: unknown,
  options: StreamOptions,
): Promise<unknown> {
  const { turnmux, names, endings, log } = parts;
  const { sessionId, signal } = options;
  turnmux.useKey(options.apiKey);
  const chat = sessionId === undefined ? undefined : names.key(sessionId, agentId);
  const session = agentId !== undefined && chat !== undefined ? sessionName(agentId, chat) : undefined;
  const over = session === undefined ? undefined : await endings.begin(session);
  const watch = signal && new AbortWatch(turnmux, signal, session, log);
  const done = (): void => {
    watch?.end();
    over?.();
  };
  const onResponse = (response: HttpResponse, of: unknown): unknown => {
    watch?.answered(response);
    return options.onResponse?.(response, of);
  };
  const headers = { ...options.headers, ...whose({ agentId, chat, workspaceDir, sessionId }) };
  try {
    const stream = await inner(model, input, { ...options, headers, onResponse });
    ended(stream, done);
    return stream;
  } catch (error) {
    done();
    throw error;
  }
}

/** Calls back when the stream is over, for better or worse; at once where it is of a kind that does not tell. */
function ended(stream: unknown, then: () => void): void {
  const result = (stream as { result?: () => unknown } | undefined)?.result;
  if (typeof result === "function") Promise.resolve(result.call(stream)).then(then, then);
  else then();
}
