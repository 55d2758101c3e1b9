/** Puts the parts together. */
import { backend } from "./backend.js";
import { Daemon } from "./daemon.js";
import { Endings } from "./endings.js";
import { Names, sessionName } from "./names.js";
import { provider } from "./provider.js";
import { settings } from "./settings.js";
import { addCommands, answerHealth, HEALTH_PATH } from "./status.js";
import { Turnmux } from "./turnmux.js";
/** Registers everything. `lookup` finds a session's key in OpenClaw's store. */
export function register(api, lookup) {
    const set = settings(api.pluginConfig, api.config);
    const log = api.logger;
    const turnmux = new Turnmux(set.url, set.apiKey);
    const names = new Names(lookup);
    const endings = new Endings(turnmux, log);
    let daemon;
    api.registerProvider(provider({ turnmux, names, endings, log }));
    api.registerCliBackend(backend({ turnmux, endings, log }));
    api.on("session_start", (event, context) => names.learn(event.sessionId, event.sessionKey ?? context.sessionKey));
    const ended = (agentId, key, reason) => {
        if (agentId !== undefined && key !== undefined)
            endings.ended(sessionName(agentId, key), reason);
    };
    // A `/new` in a chat is told by the first of these, what the gateway resets by itself by the second, and some by both.
    api.on("before_reset", (_, context) => ended(context.agentId, context.sessionKey, "reset"));
    api.on("session_end", (event, context) => {
        const key = event.sessionKey ?? context.sessionKey ?? names.key(event.sessionId, context.agentId);
        ended(context.agentId, key, event.reason);
    });
    api.registerService({
        id: "turnmux",
        start: ({ stateDir, logger }) => {
            if (!set.start)
                return;
            daemon = new Daemon(set, turnmux, logger, stateDir);
            daemon.start();
        },
        stop: async () => {
            await endings.all();
            await daemon?.stop();
            daemon = undefined;
        },
    });
    api.registerHttpRoute({
        path: HEALTH_PATH,
        auth: "plugin",
        match: "exact",
        handler: (request, response) => answerHealth(turnmux, daemon?.state, request, response),
    });
    api.registerCli(({ program }) => addCommands(program, turnmux, (text) => process.stdout.write(`${text}\n`)), {
        descriptors: [{ name: "turnmux", description: "The turnmux daemon that this OpenClaw uses", hasSubcommands: true }],
    });
}
