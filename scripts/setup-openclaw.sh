#!/usr/bin/env bash
# Makes turnmux the model of OpenClaw, by OpenClaw's own command line; docs/openclaw.md says what is set, and why.
# Run again it changes nothing, or only what its options say otherwise.
set -euo pipefail

usage() {
  cat << 'TEXT'
usage: scripts/setup-openclaw.sh [--port PORT] [--backend ID]... [--service] [--plugin] [--dry-run]
       scripts/setup-openclaw.sh --undo [--dry-run]

  --port PORT    where turnmux listens on 127.0.0.1 (7433)
  --backend ID   a backend of turnmux (claude-code); several: the first is the one that agents get
  --service      OpenClaw starts turnmux when it needs it, and ends it when OpenClaw ends
  --plugin       OpenClaw gets turnmux's plugin, too, linked to where it lies beside this script
  --dry-run      says what would be set, has OpenClaw check it, and writes nothing
  --undo         OpenClaw's configuration as it was before

It needs OpenClaw 2026.9.6 or later. With TURNMUX_API_KEY in the environment OpenClaw is told to send what stands there.
TEXT
}

# The first release that sends session affinity with chat completions.
oldest=2026.9.6
port=7433
backends=()
service=no
plugin=no
dry_run=no
undo=no

fail() {
  echo "setup-openclaw: $1" >&2
  exit "${2:-1}"
}

main() {
  read_arguments "$@"
  check_openclaw
  config="$(openclaw config file)"
  # OpenClaw writes `~` for the home.
  config="${config/#\~/$HOME}"
  # The configuration as it was before the first set-up (empty: there was none), and as the last one left it.
  before="$config.before-turnmux"
  after="$config.with-turnmux"
  # Where the plugin lies, and where the one lies that a set-up has installed.
  folder="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/plugin/openclaw"
  installed="$config.turnmux-plugin"
  if [ "$undo" = yes ]; then take_back; else set_up; fi
}

read_arguments() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --port | --backend) [ $# -gt 1 ] || fail "$1 needs a value" 2 ;;
    esac
    case "$1" in
      --port) port="$2"; shift ;;
      --backend) backends+=("$2"); shift ;;
      --service) service=yes ;;
      --plugin) plugin=yes ;;
      --dry-run) dry_run=yes ;;
      --undo) undo=yes ;;
      -h | --help) usage; exit 0 ;;
      *) usage >&2; exit 2 ;;
    esac
    shift
  done
  [[ "$port" =~ ^[0-9]{1,5}$ ]] && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] || fail "--port $port is no port" 2
  [ ${#backends[@]} -gt 0 ] || backends=(claude-code)
  for backend in "${backends[@]}"; do
    [[ "$backend" =~ ^[A-Za-z0-9._-]+$ ]] || fail "--backend $backend is no id of a backend: GET /v1/models lists them" 2
  done
}

check_openclaw() {
  command -v openclaw > /dev/null || fail "OpenClaw is not on PATH: npm install -g openclaw (it needs Node 24.16 or later)"
  local said
  # It checks its own Node first.
  if ! said="$(openclaw --version 2>&1)"; then
    case "$said" in
      *Node*) fail "the Node on PATH ($(node --version 2> /dev/null || echo none)) is too old for OpenClaw, which says:"$'\n'"$said" ;;
      *) fail "openclaw --version failed:"$'\n'"$said" ;;
    esac
  fi
  [[ "$said" =~ ([0-9]{4}\.[0-9]+\.[0-9]+) ]] || fail "openclaw --version says no version: $said"
  local version="${BASH_REMATCH[1]}"
  [ "$(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1)" = "$oldest" ] \
    || fail "OpenClaw $version does not send which session a request is of: $oldest is the oldest that does (openclaw update)"
}

set_up() {
  local patch
  [ "$plugin" = no ] || [ -e "$folder/dist/index.js" ] || fail "the plugin is not there: $folder"
  patch="$(patch)"
  if [ "$dry_run" = yes ]; then
    if [ "$plugin" = yes ] && ! is_linked; then echo "${install[@]}" "$folder"; fi
    if [ "$plugin" = no ] && [ -e "$installed" ]; then echo "${uninstall[@]}"; fi
    echo "$patch"
    apply "$patch" --replace-path models.providers.turnmux --dry-run
    return
  fi
  local first=no
  mkdir -p "$(dirname "$config")"
  if [ ! -e "$before" ]; then
    first=yes
    # Tokens may stand in it: a copy is as closed as the original.
    if [ -e "$config" ]; then cp -p "$config" "$before"; else (umask 077 && : > "$before"); fi
  elif ! cmp -s "$config" "$after"; then
    # Somebody has changed it since the last set-up: the first copy is not all that there is to keep.
    rm -f "$after"
  fi
  if [ "$plugin" = no ] && [ -e "$installed" ]; then take_out_plugin; fi
  if ! (apply "$patch" --replace-path models.providers.turnmux); then
    [ "$first" = no ] || rm "$before"
    exit 1
  fi
  local failed=no
  if [ "$plugin" = yes ] && ! is_linked; then (put_in_plugin) || failed=yes; fi
  if [ "$first" = yes ] || [ -e "$after" ]; then cp -p "$config" "$after"; fi
  [ "$failed" = no ] || fail "the plugin is not installed; all the rest is set"
  echo "OpenClaw's agents have turnmux/${backends[0]} on 127.0.0.1:$port now. scripts/setup-openclaw.sh --undo takes it back."
}

# The plugin comes from a folder and not from OpenClaw's hub, and whoever names it here agrees to what it may do. It needs no
# permission for the hooks that see conversations: it has none of them.
install=(openclaw plugins install --force --accept-capabilities --link)
uninstall=(openclaw plugins uninstall turnmux --force)

put_in_plugin() {
  local said
  said="$("${install[@]}" "$folder" 2>&1)" || fail "OpenClaw did not take the plugin:"$'\n'"$said"
  echo "$folder" > "$installed"
  # One that was taken out by hand is left switched off, and so it would stay.
  if ! is_linked; then
    said="$(openclaw plugins enable turnmux 2>&1)" || fail "OpenClaw did not switch the plugin on:"$'\n'"$said"
  fi
}

# Somebody may have been faster.
take_out_plugin() {
  local said
  said="$("${uninstall[@]}" 2>&1)" || echo "OpenClaw did not take the plugin out:"$'\n'"$said" >&2
  rm "$installed"
}

# Whether the configuration has the plugin, from here, and switched on.
is_linked() {
  [ -s "$config" ] && node - "$config" "$folder" << 'JS'
const [config, folder] = process.argv.slice(2);
let plugins;
try {
  ({ plugins } = JSON.parse(require("node:fs").readFileSync(config, "utf8")));
} catch {
  // Somebody's own, with comments: whatever it says, an installation more does no harm.
}
const linked = plugins?.load?.paths?.includes(folder) && plugins.entries?.turnmux?.enabled !== false;
process.exit(linked ? 0 : 1);
JS
}

# What is set, as `openclaw config patch` takes it.
patch() {
  local command=""
  if [ "$service" = yes ]; then
    command="$(command -v turnmux)" || fail "turnmux is not on PATH: cargo install --path ."
    command="$(realpath "$command")"
  fi
  local leaving=no
  if [ "$plugin" = no ] && [ -e "$installed" ]; then leaving=yes; fi
  node - "$port" "$command" "$HOME" "$leaving" "${backends[@]}" << 'JS'
const [port, command, home, leaving, ...backends] = process.argv.slice(2);
const model = (id) => ({
  id,
  name: `${id} (turnmux)`,
  reasoning: false,
  // A picture in a message is shown to the agent; OpenClaw stores it in the workspace besides.
  input: ["text", "image"],
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  contextWindow: 200000,
  maxTokens: 32000,
  // Which session a request is of, twice; and no tools of OpenClaw's, for the agent has its own.
  compat: { sendSessionAffinityHeaders: true, supportsPromptCacheKey: true, supportsTools: false },
});
const turnmux = {
  baseUrl: `http://127.0.0.1:${port}/v1`,
  apiKey: process.env.TURNMUX_API_KEY ? "${TURNMUX_API_KEY}" : "unused",
  api: "openai-completions",
  // Nothing comes for so long only when turnmux is gone: it sends a heartbeat each 15 s.
  timeoutSeconds: 1800,
  models: backends.map(model),
};
if (command) {
  const health = `http://127.0.0.1:${port}/health`;
  const args = ["serve", "--port", port];
  turnmux.localService = { command, args, cwd: home, healthUrl: health, readyTimeoutMs: 15000, idleStopMs: 0 };
}
const defaults = {
  model: { primary: `turnmux/${backends[0]}` },
  // The agent keeps its own context; OpenClaw's copy of it is not what the model gets.
  compaction: { enabled: false, memoryFlush: { enabled: false } },
};
const patch = { models: { providers: { turnmux } }, agents: { defaults } };
// OpenClaw leaves the settings of a plugin that was taken out.
if (leaving === "yes") patch.plugins = { entries: { turnmux: null } };
console.log(JSON.stringify(patch, null, 2));
JS
}

apply() {
  local patch="$1" said
  shift
  said="$(openclaw config patch --stdin "$@" <<< "$patch" 2>&1)" || fail "OpenClaw did not take it:"$'\n'"$said"
  echo "$said"
}

take_back() {
  local restored
  if [ ! -e "$before" ]; then
    echo "There is nothing to take back: $before is not there."
    return
  fi
  if cmp -s "$config" "$after"; then
    restored="$before"
  else
    # Somebody has changed it since, and that stays.
    restored="$config.without-turnmux"
    (umask 077 && without_turnmux > "$restored") || {
      rm -f "$restored"
      fail "$config was changed since the set-up, and is not plain JSON any more: take what you need out of $before"
    }
  fi
  if [ "$dry_run" = yes ]; then
    echo "$config would be:"
    cat "$restored"
    [ "$restored" = "$before" ] || rm "$restored"
    [ ! -e "$installed" ] || echo "${uninstall[@]}"
    return
  fi
  if [ -e "$installed" ]; then take_out_plugin; fi
  # OpenClaw's own command line refuses to write a configuration that is less than half of what it was.
  if [ -s "$restored" ]; then mv "$restored" "$config"; else rm "$config"; fi
  rm -f "$before" "$after"
  echo "OpenClaw's configuration is as it was, without turnmux."
}

# The configuration with what `patch` sets as it was before, and all else as it is.
without_turnmux() {
  local linked=""
  if [ -e "$installed" ]; then linked="$(cat "$installed")"; fi
  node - "$linked" "$before" "$config" << 'JS'
const { readFileSync } = require("node:fs");
const [linked, ...files] = process.argv.slice(2);
const [before, config] = files.map((file) => JSON.parse(readFileSync(file, "utf8") || "{}"));
const at = (value, path) => path.reduce((value, name) => value?.[name], value);
const remove = (path) => {
  const inside = at(config, path.slice(0, -1));
  if (!inside) return;
  delete inside[path.at(-1)];
  // What holds nothing any more and was not there before goes, too.
  const parent = path.slice(0, -1);
  if (parent.length && !Object.keys(inside).length && at(before, parent) === undefined) remove(parent);
};
if (linked) {
  const paths = at(config, ["plugins", "load", "paths"]) ?? [];
  if (paths.includes(linked)) config.plugins.load.paths = paths.filter((path) => path !== linked);
  if (!config.plugins?.load?.paths?.length) remove(["plugins", "load", "paths"]);
  remove(["plugins", "entries", "turnmux"]);
}
// What is left where a set-up had it put in and another taken out.
for (const path of [["plugins", "entries"], ["plugins", "load"], ["plugins"]]) {
  if (at(before, path) === undefined && !Object.keys(at(config, path) ?? { some: 1 }).length) remove(path);
}
for (const path of [["models", "providers", "turnmux"], ["agents", "defaults", "model"], ["agents", "defaults", "compaction"]]) {
  const value = at(before, path);
  if (value === undefined) remove(path);
  else path.slice(0, -1).reduce((inside, name) => (inside[name] ??= {}), config)[path.at(-1)] = value;
}
console.log(JSON.stringify(config, null, 2));
JS
}

main "$@"
