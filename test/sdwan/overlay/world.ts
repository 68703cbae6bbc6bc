/**
 * Sites on one segment, each in a namespace of its own, with the tunnels' driver of each on a loop that is turned here.
 * UAPI sockets are not divided by network namespaces, so devices of different sites have different names.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ip, ipv4, ipv6 } from "../../../base/address.ts";
import { SILENT } from "../../../base/log.ts";
import { generateSiteKeys, type SiteKeys } from "../../../daemon/wan-keys.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { endWireguardGo } from "../../../netstack/kernel/wireguard/process.ts";
import { Tunnels } from "../../../sdwan/overlay/driver/tunnels.ts";
import type { OverlayPlan, TunnelNews } from "../../../sdwan/overlay/driver/words.ts";
import type { TunnelPeerSpec, TunnelReport, TunnelSpec } from "../../../sdwan/underlay-plan.ts";
import { type Host, Segment, UNABLE } from "../../netstack/kernel/segment.ts";

export interface Site {
  readonly name: string;
  readonly host: Host;
  readonly loop: Loop;
  readonly keys: SiteKeys;
  readonly news: TunnelNews[];
  readonly ifname: string;
  tunnels: Tunnels;
}

let count = 0;

export class World implements Disposable {
  readonly segment: Segment;
  readonly sites = new Map<string, Site>();
  readonly #made = new Set<string>();

  constructor(names: readonly string[]) {
    this.segment = new Segment(
      Object.fromEntries(names.map((name, index) => [name, [underlay(index), underlay6(index)]])),
    );
    const tag = `${process.pid.toString(36)}${(count++).toString(36)}`;
    for (const name of names) {
      const host = this.segment.hosts.get(name);
      if (host === undefined) throw new TypeError(name);
      const loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
      const ifname = `nv${tag}${name}`;
      this.#made.add(ifname);
      const news: TunnelNews[] = [];
      this.sites.set(name, {
        name,
        host,
        loop,
        keys: generateSiteKeys(),
        news,
        ifname,
        tunnels: begin(host, loop, news),
      });
    }
  }

  site(name: string): Site {
    const site = this.sites.get(name);
    if (site === undefined) throw new TypeError(name);
    return site;
  }

  /** The plan of one site with all others as peers. */
  plan(name: string, change: Partial<TunnelSpec> = {}, peers: Partial<TunnelPeerSpec> = {}): OverlayPlan {
    const names = [...this.sites.keys()];
    const own = this.site(name);
    const spec: TunnelSpec = {
      ifname: own.ifname,
      link: "isp1",
      listenPort: 51820,
      mark: 5,
      dscp: 0,
      mtu: undefined,
      peers: names
        .filter((each) => each !== name)
        .map((each) => ({
          site: each,
          link: "isp1",
          publicKey: this.site(each).keys.publicKey,
          presharedKey: undefined,
          endpoint: `${text(names.indexOf(each))}:51820`,
          allowedIps: [`${overlay(names.indexOf(each))}/32`],
          keepalive: 25,
          relay: undefined,
          ...peers,
        })),
      ...change,
    };
    return {
      site: name,
      tunnels: [spec],
      overlay: [`${overlay(names.indexOf(name))}/32`],
      privateKey: own.keys.privateKey,
      wireguard: "auto",
    };
  }

  apply(name: string, plan: OverlayPlan): void {
    const site = this.site(name);
    site.host.do(() => site.tunnels.plan(plan));
  }

  /** Its driver is no more, as after a kill; another one has not been told anything yet. */
  restart(name: string): void {
    const site = this.site(name);
    site.tunnels[Symbol.dispose]();
    site.news.length = 0;
    site.tunnels = begin(site.host, site.loop, site.news);
  }

  /** Turns all loops until it is so. */
  async until(what: string, is: () => boolean, patience = 45_000): Promise<void> {
    for (const end = performance.now() + patience; performance.now() < end; await sleep(1)) {
      for (const { host, loop } of this.sites.values()) host.do(() => loop.turn(false));
      if (is()) return;
    }
    const told = [...this.sites.values()].map(({ name, news }) => `${name}: ${JSON.stringify(news.slice(-6))}`);
    throw new Error(`not within ${patience} ms: ${what}\n${told.join("\n")}`);
  }

  async turn(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    await this.until("time", () => performance.now() > end);
  }

  /** Packets for the other's overlay address go into the tunnel. */
  route(from: string, to: string): void {
    const { host, ifname } = this.site(from);
    const names = [...this.sites.keys()];
    host.route.replaceRoute({
      destination: { ip: ipv4(overlay(names.indexOf(to))), length: 32 },
      table: MAIN,
      protocol: ROUTE_PROTOCOL,
      oif: host.route.indexOf(ifname),
      source: ipv4(overlay(names.indexOf(from))),
    });
  }

  wg(site: string, ...args: readonly string[]): string {
    const namespace = `--net=/run/netns/${this.site(site).host.namespace}`;
    return execFileSync("nsenter", [namespace, "wg", ...args], { encoding: "utf8" });
  }

  report(name: string, site: string): TunnelReport | undefined {
    const told = this.site(name).news.findLast((each) => each.kind === "tunnel" && each.tunnel.site === site);
    return told?.kind === "tunnel" ? told.tunnel : undefined;
  }

  isUp(name: string, site: string): boolean {
    return this.report(name, site)?.state === "up";
  }

  events(name: string, event: string): readonly Readonly<Record<string, unknown>>[] {
    return this.site(name).news.flatMap((each) => (each.kind === "event" && each.name === event ? [each.fields] : []));
  }

  [Symbol.dispose](): void {
    for (const { host, loop, tunnels } of this.sites.values()) {
      tunnels[Symbol.dispose]();
      for (const { name, alias, kind } of host.route.links())
        if (alias === "novaedge" && kind === "tun" && !endWireguardGo(name)) host.route.deleteLink(name);
      loop[Symbol.dispose]();
    }
    for (const ifname of this.#made) endWireguardGo(ifname);
    this.segment[Symbol.dispose]();
  }
}

const MAIN = 254;

/** Two sites whose tunnel is up. */
export async function pair(): Promise<World> {
  const world = new World(["a", "b"]);
  for (const name of ["a", "b"]) world.apply(name, world.plan(name));
  await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
  return world;
}

/** Why there can be no world here; undefined when there can. */
export const WITHOUT: string | undefined =
  UNABLE ?? (existsSync("/usr/bin/wireguard-go") ? undefined : "wireguard-go is not installed");

export function underlay(index: number): Ip {
  return ipv4(text(index));
}
export function underlay6(index: number): Ip {
  return ipv6(`2001:db8::${index + 1}`);
}
export function overlay(index: number): string {
  return `10.255.${index + 1}.1`;
}

function text(index: number): string {
  return `192.0.2.${index + 1}`;
}

function begin(host: Host, loop: Loop, news: TunnelNews[]): Tunnels {
  return host.do(() => new Tunnels({ loop, tell: (each) => news.push(each), wall: Date.now, runDirectory: undefined }));
}
