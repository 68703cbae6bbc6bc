/** What sessions are configured with, and what they ask of the driver. */
import type { Ip, Prefix } from "../../base/address.ts";
import type { Ms } from "../../base/unit.ts";
import type { AuthConfig } from "./auth.ts";
import type { BfdState } from "./plan.ts";
import type { Session } from "./session.ts";

export interface SessionConfig {
  /** Of everybody who asked for this session; at least one. */
  readonly ids: readonly string[];
  readonly peer: Ip;
  readonly local: Ip | undefined;
  readonly ifname: string | undefined;
  readonly hops: "single" | "multi";
  readonly minTtl: number;
  readonly role: "active" | "passive";
  readonly timing: Timing;
  readonly auth: AuthConfig | undefined;
  readonly adminDown: boolean;
  /** RFC 9468: a stranger's. */
  readonly unsolicited: boolean;
}

export interface Timing {
  readonly desiredMinTx: Ms;
  readonly requiredMinRx: Ms;
  readonly multiplier: number;
  readonly echoTx: Ms | undefined;
  readonly requiredMinEchoRx: Ms;
  readonly demand: boolean;
}

export interface UnsolicitedConfig {
  readonly ifname: string;
  readonly from: readonly Prefix[];
  readonly timing: Timing;
  readonly most: number;
}

export type Action =
  | { readonly kind: "send"; readonly session: Session; readonly octets: Uint8Array }
  | { readonly kind: "echo"; readonly session: Session; readonly octets: Uint8Array }
  | { readonly kind: "moved"; readonly session: Session; readonly from: BfdState; readonly to: BfdState }
  /** What a report says has changed, but the state has not. */
  | { readonly kind: "changed"; readonly session: Session }
  /** Nothing more will come for these ids; `last`: nor for the session. */
  | { readonly kind: "gone"; readonly session: Session; readonly ids: readonly string[]; readonly last: boolean };
