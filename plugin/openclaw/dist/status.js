/** How turnmux does, for people and for monitors. */
/** The address of the health route on the gateway. */
export const HEALTH_PATH = "/plugins/turnmux/health";
/** Asks the daemon. */
export async function status(turnmux, service) {
    const base = { url: turnmux.url, ...(service === undefined ? {} : { service }) };
    const found = await turnmux.find();
    switch (found.kind) {
        case "turnmux": {
            const { ok, version, processes, sessions, queued } = found.health;
            const known = { ok, ...base, version, processes, sessions, queued };
            return ok ? known : { ...known, trouble: "its default backend cannot run: see `turnmux doctor` and its /health" };
        }
        case "stranger":
            return { ok: false, ...base, trouble: found.what };
        case "nothing":
            return { ok: false, ...base, trouble: `nothing answers (${found.why}): start the gateway, or \`turnmux serve\`` };
    }
}
/** The status in lines. */
export function shown(status) {
    const lines = [`turnmux ${status.version ?? ""} at ${status.url}: ${status.ok ? "ok" : "not ok"}`.replace("  ", " ")];
    if (status.trouble !== undefined)
        lines.push(status.trouble);
    if (status.processes !== undefined) {
        lines.push(`${status.sessions} sessions, ${status.processes} processes, ${status.queued} turns waiting`);
    }
    return lines.join("\n");
}
/** Answers the health route: 200 when turns can run, else 503. It needs no key, and says nothing of anybody's sessions. */
export async function answerHealth(turnmux, service, request, response) {
    const is = await status(turnmux, service);
    // What a child said before it ended may name paths: that is for the log.
    const { trouble: _, ...state } = is.service ?? {};
    response.statusCode = is.ok ? 200 : 503;
    response.setHeader("content-type", "application/json");
    response.setHeader("cache-control", "no-store");
    response.end(request.method === "HEAD" ? undefined : JSON.stringify({ ...is, service: is.service && state }));
    return true;
}
/** Adds `openclaw turnmux status [--json]`, which exits 1 when turnmux takes no turns. */
export function addCommands(program, turnmux, print) {
    program
        .command("turnmux")
        .description("The turnmux daemon that this OpenClaw uses")
        .command("status")
        .description("Whether turnmux is there, and what it does")
        .option("--json", "as JSON")
        .action(async (options) => {
        const is = await status(turnmux);
        print(options["json"] === true ? JSON.stringify(is) : shown(is));
        if (!is.ok)
            process.exitCode = 1;
    });
}
