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

/**
 * One call. It gives what OpenClaw's own function gives, and no promise of that where there is nothing to wait for, for not all
 * callers take one.
 */
function call(
  parts: Parts,
  { agentId, workspaceDir }: WrapContext,
  inner: StreamFn,
  model: unknown,
  input: unknown,
  options: StreamOptions,
): unknown {
  const { turnmux, names, endings, log } = parts;
  const { sessionId, signal } = options;
  turnmux.useKey(options.apiKey);
  // What is asked for no agent is asked beside the conversation, whoever's id it bears.
  const chat = sessionId === undefined || agentId === undefined ? undefined : names.key(sessionId, agentId);
  const session = agentId !== undefined && chat !== undefined ? sessionName(agentId, chat) : undefined;
  const headers = { ...options.headers, ...whose({ agentId, chat, workspaceDir, sessionId }) };
  const send = (): unknown => {
    const over = session === undefined ? undefined : endings.begin(session);
    const watch = signal && new AbortWatch(turnmux, signal, session, log);
    const onResponse = (response: HttpResponse, of: unknown): unknown => {
      watch?.answered(response);
      return options.onResponse?.(response, of);
    };
    const done = (): void => {
      watch?.end();
      over?.();
    };
    try {
      const stream: unknown = inner(model, input, { ...options, headers, onResponse });
      void ended(stream).then(done, done);
      return stream;
    } catch (error) {
      done();
      throw error;
    }
  };
  const before = session === undefined ? undefined : endings.before(session);
  return before === undefined ? send() : before.then(send);
}

/** Settles when the stream is over, for better or worse; at once where it is of a kind that does not tell. */
async function ended(stream: unknown): Promise<void> {
  const result = ((await stream) as { result?: () => unknown } | undefined)?.result;
  if (typeof result === "function") await result.call(await stream);
}
