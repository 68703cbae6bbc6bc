/**
 * Capabilities (RFC 5492).  Standards: RFC 4760 §8, RFC 2918, RFC 8950 §4, RFC 8654 §3, RFC 4724 §3, RFC 8538 §2,
 * RFC 6793 §3, RFC 7911 §4, RFC 7313 §3.1, RFC 9494 §3.1, RFC 9234 §4.1.  Others are kept as octets.
 */
import type { Ms } from "../../../base/unit.ts";
import type { AnyFamily } from "./family.ts";

export type Capability =
  | { readonly kind: "multiprotocol"; readonly family: AnyFamily }
  | { readonly kind: "route-refresh" }
  | {
      readonly kind: "extended-next-hop";
      readonly families: readonly { readonly family: AnyFamily; readonly nextHop: "ipv4" | "ipv6" | number }[];
    }
  | { readonly kind: "extended-message" }
  | { readonly kind: "role"; readonly role: "provider" | "rs" | "rs-client" | "customer" | "peer" | number }
  | GracefulRestart
  | { readonly kind: "four-octet-asn"; readonly asn: number }
  | {
      readonly kind: "add-path";
      readonly families: readonly { readonly family: AnyFamily; readonly can: "receive" | "send" | "both" }[];
    }
  | { readonly kind: "enhanced-route-refresh" }
  | {
      readonly kind: "long-lived-graceful-restart";
      readonly families: readonly {
        readonly family: AnyFamily;
        readonly forwarding: boolean;
        /** Whole seconds, 24 bits. */
        readonly staleTime: Ms;
      }[];
    }
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };

export interface GracefulRestart {
  readonly kind: "graceful-restart";
  /** R: the sender has restarted. */
  readonly restarting: boolean;
  /** N (RFC 8538): routes survive a NOTIFICATION and an expired hold timer, too. */
  readonly notification: boolean;
  /** Whole seconds, at most 4095. */
  readonly restartTime: Ms;
  readonly families: readonly { readonly family: AnyFamily; readonly forwarding: boolean }[];
}
