/**
 * The part of OpenClaw's plugin SDK (2026.9.6) that this package uses, by its shape.
 *
 * The real types come with the whole of OpenClaw, some three hundred packages, and nothing here needs more than these.
 */

import type { IncomingMessage, ServerResponse } from "node:http";

/** Where a plugin's lines go. */
export interface Logger {
  debug?(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What of OpenClaw's configuration is looked at. */
export interface Config {
  models?: { providers?: Record<string, { baseUrl?: unknown; apiKey?: unknown } | undefined> };
}

/** What a model call is given beside its messages. */
export interface StreamOptions {
  apiKey?: string;
  headers?: Record<string, string>;
  sessionId?: string;
  signal?: AbortSignal;
  onResponse?: (response: HttpResponse, model: unknown) => unknown;
  [more: string]: unknown;
}

/** The head of an HTTP answer; names are in lower case. */
export interface HttpResponse {
  status: number;
  headers: Record<string, string>;
}

/** One model call: its stream, or the promise of one. What it is called with is handed on, and is OpenClaw's own affair. */
export type StreamFn = (model: any, context: any, options?: any) => any;

/** What a provider is told once for each conversation's run. */
export interface WrapContext {
  agentId?: string;
  agentDir?: string;
  workspaceDir?: string;
  streamFn?: StreamFn;
}

/** What a provider is told of each request. */
export interface TurnContext {
  sessionId?: string;
  turnId: string;
  attempt: number;
}

/** A provider of models. */
export interface Provider {
  id: string;
  label: string;
  auth: never[];
  wrapStreamFn(context: WrapContext): StreamFn | undefined;
  resolveTransportTurnState(context: TurnContext): { headers: Record<string, string> };
}

/** What `session_start` and `session_end` say. */
export interface SessionEvent {
  sessionId: string;
  sessionKey?: string;
  reason?: string;
}

/** Whose session an event is about. */
export interface SessionContext {
  agentId?: string;
  sessionKey?: string;
}

/** What a service is given. */
export interface ServiceContext {
  config: Config;
  stateDir: string;
  logger: Logger;
}

/** Something that runs as long as the gateway. */
export interface Service {
  id: string;
  start(context: ServiceContext): void | Promise<void>;
  stop?(context: ServiceContext): void | Promise<void>;
}

/** The part of commander's `Command` that is used. */
export interface Command {
  command(name: string): Command;
  description(text: string): Command;
  option(flags: string, description: string): Command;
  action(run: (options: Record<string, unknown>) => void | Promise<void>): Command;
}

/** What a plugin is handed when it is loaded. */
export interface PluginApi {
  config: Config;
  pluginConfig?: Record<string, unknown>;
  logger: Logger;
  registerProvider(provider: Provider): void;
  registerService(service: Service): void;
  registerHttpRoute(route: {
    path: string;
    auth: "plugin" | "gateway";
    match: "exact" | "prefix";
    handler(request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>;
  }): void;
  registerCli(
    registrar: (context: { program: Command; config: Config; logger: Logger }) => void,
    options: { descriptors: { name: string; description: string; hasSubcommands: boolean }[] },
  ): void;
  on(
    hook: "session_start" | "session_end",
    handler: (event: SessionEvent, context: SessionContext) => void | Promise<void>,
  ): void;
  on(
    hook: "before_reset",
    handler: (event: { reason?: string }, context: SessionContext) => void | Promise<void>,
  ): void;
}
