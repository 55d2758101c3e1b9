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

/** What a tool's use is asked for with. */
export interface ToolPermissionRequest {
  cwd?: string;
  toolName: string;
  toolInput: Record<string, unknown>;
  toolCallId?: string;
  abortSignal?: AbortSignal;
}

/** What OpenClaw says to that. */
export type ToolPermission =
  | { behavior: "allow"; updatedInput: Record<string, unknown> }
  | { behavior: "deny"; message: string };

/** A question for a person. */
export interface UserInputQuestion {
  id: string;
  header: string;
  question: string;
  multiSelect?: boolean;
  isOther?: boolean;
  options?: readonly { label: string; description?: string }[] | null;
}

/** What is asked of a person. */
export interface UserInputRequest {
  toolName: string;
  questions: readonly UserInputQuestion[];
  toolCallId?: string;
  abortSignal?: AbortSignal;
}

/** What a person has said: by question, or nothing. */
export type UserInput =
  | { status: "answered"; answers: Record<string, string[]> }
  | { status: "cancelled"; message: string };

/** One turn of a CLI backend. */
export interface CliExecuteContext {
  /** Where the agent is to work. */
  cwd: string;
  args: readonly string[];
  env: Record<string, string>;
  prompt: string;
  /** What belongs to the turn and not to what the user said. */
  promptContext?: { prependContext?: string; appendContext?: string };
  modelId: string;
  systemPrompt: string;
  /** OpenClaw's id of the backend's session; none where nobody comes back to it. */
  sessionId?: string;
  /** Whether the session had a turn before. */
  useResume: boolean;
  abortSignal?: AbortSignal;
  executionMode?: "agent" | "side-question";
  requestToolPermission(request: ToolPermissionRequest): Promise<ToolPermission>;
  requestUserInput(request: UserInputRequest): Promise<UserInput>;
}

/** A CLI backend whose turns the plugin carries out itself. */
export interface CliBackend {
  id: string;
  modelProvider: string;
  config: Record<string, unknown>;
  bundleMcp: boolean;
  bundleMcpMode: "claude-config-file";
  ownsNativeCompaction: true;
  nativeToolMode: "always-on";
  prepareExecution(context: { agentDir?: string }): {
    execute(context: CliExecuteContext): AsyncIterable<Record<string, unknown>>;
  };
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
  registerCliBackend(backend: CliBackend): void;
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
