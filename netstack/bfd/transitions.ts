/** The state machine alone.  Standards: RFC 5880 §6.2, §6.8.6.  Total: a missing cell does not compile. */
import type { BfdState } from "./plan.ts";

/** Local state, then the state heard.  A session that is AdminDown hears nothing (§6.8.6). */
export const ON_HEARING: Readonly<Record<BfdState, Readonly<Record<BfdState, BfdState>>>> = {
  "admin-down": { "admin-down": "admin-down", down: "admin-down", init: "admin-down", up: "admin-down" },
  down: { "admin-down": "down", down: "init", init: "up", up: "down" },
  init: { "admin-down": "down", down: "init", init: "up", up: "up" },
  up: { "admin-down": "down", down: "down", init: "up", up: "up" },
};
