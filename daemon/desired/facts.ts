/** What is measured or found on this host, as far as the desired state depends on it.  Plain data. */
import { formatIp, hostAndPort, type Ip, type Prefix } from "../../base/address.ts";
import type { LinkReport, TunnelReport } from "../../sdwan/underlay-plan.ts";
import type { SiteKeys } from "../wan-keys.ts";

export interface Facts {
  /** Name of the host: the node's name where the settings give none. */
  readonly hostname: string;
  /** Secret of the segment's nodes, hex, 32 octets. */
  readonly key: string;
  /** Whether this kernel has IPv6. */
  readonly ipv6: boolean;
  readonly interfaces: readonly InterfaceFact[];
  /** Keys of listeners on which at least one live data plane accepts. */
  readonly listening: ReadonlySet<string>;
  /** `endpointKey` → the last verdict of the health checks; absent = no verdict yet. */
  readonly health: ReadonlyMap<string, boolean>;
  /** Names of the virtual IPs that were eligible until now. */
  readonly eligible?: ReadonlySet<string>;
  /** The daemon is stopping: nothing is eligible any more. */
  readonly draining: boolean;
  /** Contents of the files that hold secrets of routing protocols. */
  readonly secrets: ReadonlyMap<string, string>;
  /** The router id that was derived before, also by an earlier life: a new one would end every session. */
  readonly routerId: string | undefined;
  /** undefined: neither links nor remote sites. */
  readonly wan?: WanFacts | undefined;
}

export interface WanFacts {
  /** undefined: the file of the private key cannot be used. */
  readonly keys: SiteKeys | undefined;
  /** By remote site: what it shares with us, hex, 32 octets.  A site whose public key is of no use has none. */
  readonly shared: ReadonlyMap<
    string,
    /** `next…`: with the key pair that the site is about to change to. */
    {
      readonly probe: string;
      readonly nextProbe?: string | undefined;
      readonly rendezvous: string;
      readonly nextRendezvous?: string | undefined;
    }
  >;
  /** Key of a lane (resources/wan-lanes.ts) → its value of the mark. */
  readonly marks: ReadonlyMap<string, number>;
  /** By name; what the wan process said last. */
  readonly links: ReadonlyMap<string, LinkReport>;
  /** By `tunnelKey`. */
  readonly tunnels: ReadonlyMap<string, TunnelReport>;
  /** Users of this host by name. */
  readonly users: ReadonlyMap<string, number>;
  /** The user of data planes; undefined: root, whose other programs could not be told from them. */
  readonly dataplaneUser: number | undefined;
  /** Class → its token: what the ruleset in the kernel knows requests by. */
  readonly proxied: ReadonlyMap<string, number>;
}

export function tunnelKey(ifname: string, site: string): string {
  return `${ifname}/${site}`;
}

export interface InterfaceFact {
  readonly name: string;
  /** Its addresses but for those that we put there. */
  readonly addresses: readonly Ip[];
  /** Networks of its addresses. */
  readonly networks: readonly Prefix[];
  /** Next hops of default routes through it. */
  readonly gateways: readonly Ip[];
}

/** "192.0.2.1:80", "[2001:db8::1]:80" */
export function endpointText(address: Ip, port: number): string {
  return hostAndPort(formatIp(address), port);
}
/** `backend` as in ProxyConfig; `endpoint` as the data plane reports it. */
export function endpointKey(backend: string, endpoint: string): string {
  return `${backend}|${endpoint}`;
}
