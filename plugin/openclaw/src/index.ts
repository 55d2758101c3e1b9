/** The entry that OpenClaw loads. All that needs OpenClaw at run time is here, so that the rest can be tried without it. */

import { definePluginEntry } from "openclaw/plugin-sdk/plugin-entry";
import { resolveTranscriptSessionKeyBySessionId } from "openclaw/plugin-sdk/session-store-runtime";

import { register } from "./plugin.js";

export default definePluginEntry({
  id: "turnmux",
  name: "turnmux",
  description: "Agents on turnmux: one warm claude per conversation",
  register: (api) => register(api, (asked) => resolveTranscriptSessionKeyBySessionId(asked)),
});
