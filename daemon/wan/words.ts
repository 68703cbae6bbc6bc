/** What control and the wan process (links, tunnels, NAT, classification) tell each other: plain data (JSON). */
import { type About, gone, is } from "../../base/told.ts";
import type { FlowSeen } from "../../sdwan/steer/driver/flows.ts";
import type { ShieldCount } from "../../sdwan/steer/driver/shield-keeper.ts";
import type { ShieldOrder } from "../../sdwan/steer/shield-copies.ts";
import type { LinkReport, TunnelReport, UnderlayPlan } from "../../sdwan/underlay-plan.ts";

export type ToWan =
  | { readonly kind: "plan"; readonly plan: UnderlayPlan }
  /** A link's path to the internet died, or came back: flows that were bound to it are reset at once. */
  | { readonly kind: "internet"; readonly link: string; readonly alive: boolean }
  /** Probes come through a tunnel to a site, or do not: ways through gateways are looked for anew at once. */
  | { readonly kind: "probed"; readonly ifname: string; readonly site: string; readonly alive: boolean }
  /** All packets that are sent by a second tunnel, too: the loss shield. */
  | { readonly kind: "shields"; readonly orders: readonly ShieldOrder[] }
  | { readonly kind: "ask"; readonly n: number; readonly question: WanQuestion }
  /** An operator's hand. */
  | { readonly kind: "measure-bandwidth"; readonly link: string }
  | { readonly kind: "rediscover"; readonly link: string | undefined }
  /** `keep`: tunnels, routes and rules stay and go on carrying traffic; else all that this process made is removed. */
  | { readonly kind: "stop"; readonly keep: boolean }
  | { readonly kind: "ping"; readonly n: number };

export type WanQuestion =
  | { readonly of: "flows"; readonly most: number }
  /** What the ruleset would do with a packet. */
  | { readonly of: "classify"; readonly packet: PacketQuestion };

export interface PacketQuestion {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string | undefined;
  readonly port: number | undefined;
  readonly dscp: number | undefined;
  readonly ifname: string | undefined;
}

export type WanAnswer =
  | { readonly of: "flows"; readonly flows: readonly FlowReport[]; readonly more: number }
  | { readonly of: "classify"; readonly class: string | undefined; readonly mark: number; readonly why: string };

export type FlowReport = FlowSeen;

export type FromWan =
  | { readonly kind: "hello"; readonly pid: number }
  | { readonly kind: "pong"; readonly n: number }
  | { readonly kind: "link"; readonly link: LinkReport }
  | { readonly kind: "link-gone"; readonly name: string }
  | { readonly kind: "tunnel"; readonly tunnel: TunnelReport }
  | { readonly kind: "tunnel-gone"; readonly ifname: string; readonly site: string }
  /** Copies sent and dropped: while there are classes with a loss shield, each two seconds when they are others. */
  | { readonly kind: "shield-counts"; readonly counts: readonly ShieldCount[] }
  /** The ruleset in the kernel knows these classes by the tokens of the data plane: class → token. */
  | { readonly kind: "proxied"; readonly classes: Readonly<Record<string, number>> }
  | { readonly kind: "answer"; readonly n: number; readonly answer: WanAnswer }
  | { readonly kind: "stopped" }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

/** What the next control must hear again. */
export function lastingOfWan(message: FromWan): About | undefined {
  switch (message.kind) {
    case "link":
      return is("link", message.link.name);
    case "link-gone":
      return gone("link", message.name);
    case "tunnel":
      return is("tunnel", message.tunnel.ifname, message.tunnel.site);
    case "tunnel-gone":
      return gone("tunnel", message.ifname, message.site);
    case "proxied":
    case "shield-counts":
      return is(message.kind);
    case "answer":
    case "event":
    case "hello":
    case "pong":
    case "stopped":
      return undefined; // said once, or asked for
  }
}
