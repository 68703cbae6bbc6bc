/**
 * What whoever runs the tunnels of this host (tunnels.ts) is told and tells: the wan process.  Its user must be able to
 * create devices and, for wireguard-go, to use /dev/net/tun and /run/wireguard (NET_ADMIN; root's files).
 */
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { TunnelReport, TunnelSpec } from "../../underlay-plan.ts";

export type TunnelNews =
  | { readonly kind: "tunnel"; readonly tunnel: TunnelReport }
  | { readonly kind: "tunnel-gone"; readonly ifname: string; readonly site: string }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

export interface TunnelParts {
  readonly loop: Loop;
  readonly tell: (news: TunnelNews) => void;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** Where logs of wireguard-go processes go, one file each; made when it is missing.  undefined = nowhere. */
  readonly runDirectory: string | undefined;
}

/** The part of UnderlayPlan that is about tunnels: pass the whole of it. */
export interface OverlayPlan {
  readonly site: string;
  readonly tunnels: readonly TunnelSpec[];
  readonly overlay: readonly string[];
  readonly privateKey: string;
  readonly wireguard: "auto" | "kernel" | "userspace";
}

/** What tunnels need to know of a WAN link, by its name in the plan. */
export interface UnderlayLink {
  readonly name: string;
  /** Has carrier, an address and a way out. */
  readonly up: boolean;
  readonly why: string;
  readonly mtu: number | undefined;
}

/** What NAT traversal works with: one peer of one device, as it was at the last look (every second, or faster in doubt). */
export interface TunnelView {
  readonly ifname: string;
  readonly link: string;
  readonly site: string;
  readonly remoteLink: string;
  /** As it is now: birthday punching may have moved it away from the plan's. */
  readonly listenPort: number;
  readonly endpoint: string | undefined;
  readonly found: TunnelReport["found"];
  /** "direct" or the relaying site. */
  readonly via: string;
  /** The plan allows to be carried by it; undefined = none. */
  readonly relay: string | undefined;
  /** Milliseconds since the epoch, of the direct way. */
  readonly lastHandshake: number | undefined;
  /** Of the direct way: a handshake young enough that packets pass. */
  readonly direct: boolean;
  readonly received: number;
  readonly sent: number;
}

export interface TunnelDriver extends Disposable {
  /** What shall be from now on; what is equal to before is not touched. */
  plan(plan: OverlayPlan): void;
  /** All links, at each change of one. */
  links(links: readonly UnderlayLink[]): void;
  /** The link's address or gateway changed: sources that outer packets stick to are forgotten, peers told at once. */
  roamed(link: string): void;
  /** Carries the packets for `site` on this device by the peer of the site `via` there, or "direct". */
  carriage(ifname: string, site: string, via: string): void;
  /** An endpoint that NAT traversal found; it is tried at once. */
  endpoint(ifname: string, site: string, endpoint: string, found: NonNullable<TunnelReport["found"]>): void;
  /** Moves the device's port (birthday punching); undefined = back to the plan's. */
  listenPort(ifname: string, port: number | undefined): void;
  /** Packets larger than this do not pass under the device (the outer ones, IP header counted). */
  pathMtu(ifname: string, mtu: number | undefined): void;
  views(): readonly TunnelView[];
  /** Looks at one device, or at all, now instead of at the next turn of the clock. */
  look(ifname?: string): void;
  /** Everything is told again. */
  report(): void;
  /** `keep`: devices and their processes go on without us; else all are removed. */
  stop(keep: boolean, done: () => void): void;
}
