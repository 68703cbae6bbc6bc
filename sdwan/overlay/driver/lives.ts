/** The lives of a device's peers by site, and what is to be done about them at the next look. */
import type { WireguardState } from "../../../base/wireguard.ts";
import type { TunnelSpec } from "../../underlay-plan.ts";
import { HandshakeTimes } from "../handshake-times.ts";
import { beginLife, configured, discovered, type Found, look, type PeerLife, type PeerOrders } from "../peer-life.ts";
import { peerOf } from "../want.ts";

export class Lives {
  readonly #lives = new Map<string, PeerLife>();
  /** What was asked for since the last look, by site. */
  readonly #moves = new Map<string, { readonly moveTo: string; readonly renew: boolean }>();
  /** Sites whose end of this tunnel is another one since the last look. */
  readonly #anew = new Set<string>();
  readonly #times = new HandshakeTimes();
  readonly #wall: () => number;
  readonly #steady: () => number;

  /** `steady`: milliseconds of a clock that nobody sets. */
  constructor(wall: () => number, steady: () => number) {
    this.#wall = wall;
    this.#steady = steady;
  }

  get all(): ReadonlyMap<string, PeerLife> {
    return this.#lives;
  }

  of(site: string): PeerLife {
    const known = this.#lives.get(site);
    if (known !== undefined) return known;
    const begun = beginLife(this.#wall());
    this.#lives.set(site, begun);
    return begun;
  }

  keep(sites: ReadonlySet<string>): void {
    for (const site of this.#lives.keys()) if (!sites.has(site)) this.#lives.delete(site);
    for (const site of this.#anew) if (!sites.has(site)) this.#anew.delete(site);
    this.#times.keep(sites);
  }

  configured(site: string, endpoints: readonly string[]): boolean {
    const before = this.of(site);
    const life = configured(before, endpoints, this.#wall());
    this.#lives.set(site, life);
    return life !== before;
  }

  discovered(site: string, endpoint: string, found: Found): void {
    const life = this.of(site);
    this.#lives.set(site, discovered(life, { endpoint, found }, this.#wall()));
    // Made again, since WireGuard starts no handshake within 5 s of the last: whoever punches holes cannot wait for it.
    this.#moves.set(site, { moveTo: endpoint, renew: !life.direct });
  }

  /** What a site's calls say about why it has no handshake; true: that is news. */
  called(site: string, why: string): boolean {
    const life = this.of(site);
    this.#lives.set(site, { ...life, called: why });
    return life.called !== why;
  }

  /** Where the tunnel leads to another end of a site now: what was found of the one before, and its session, are nothing to it. */
  compare(before: TunnelSpec, now: TunnelSpec): void {
    for (const { site, link, publicKey } of now.peers) {
      const known = before.peers.find((each) => each.site === site);
      if (known?.publicKey !== publicKey) this.#lives.set(site, { ...this.of(site), called: undefined });
      if (known === undefined || known.link === link) continue;
      this.#lives.set(site, { ...beginLife(this.#wall()), configured: this.of(site).configured });
      this.#moves.delete(site);
      this.#anew.add(site);
    }
  }

  /** The device took nothing of it (its port was not free yet, say): what must not be forgotten is asked for again. */
  undone(orders: ReadonlyMap<string, PeerOrders>): void {
    for (const [site, { anew }] of orders) if (anew) this.#anew.add(site);
  }

  /** Each peer is moved to where it is: what WireGuard remembers of our own address is forgotten. */
  unstick(spec: TunnelSpec, have: WireguardState | undefined): void {
    for (const peer of spec.peers) {
      const endpoint = peerOf(peer, have)?.endpoint;
      if (endpoint !== undefined) this.#moves.set(peer.site, { moveTo: endpoint, renew: false });
    }
  }

  look(
    spec: TunnelSpec,
    have: WireguardState,
    own: string,
    obstacle: string | undefined,
  ): ReadonlyMap<string, PeerOrders> {
    const now = this.#wall();
    this.#times.look(now, this.#steady());
    const orders = new Map<string, PeerOrders>();
    for (const spoken of spec.peers) {
      const { site } = spoken;
      if (this.#anew.has(site)) {
        orders.set(site, { moveTo: undefined, renew: true, anew: true, resolve: false });
        continue;
      }
      const there = peerOf(spoken, have);
      const peer = there && { ...there, lastHandshake: this.#times.of(site, there.lastHandshake) };
      const [life, order] = look(this.of(site), { now, obstacle, peer, patient: own > site });
      this.#lives.set(site, life);
      orders.set(site, { ...order, ...this.#moves.get(site) });
    }
    this.#moves.clear();
    this.#anew.clear();
    return orders;
  }

  /** Nothing can work: every peer is told so. */
  obstruct(spec: TunnelSpec, why: string): void {
    const sight = { now: this.#wall(), obstacle: why, peer: undefined, patient: false };
    for (const { site } of spec.peers) this.#lives.set(site, look(this.of(site), sight)[0]);
  }
}
