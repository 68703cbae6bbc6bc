/**
 * The BGP speaker of this host: a machine of machines.  `handle` takes one event and returns all that follows from it;
 * routes are decided once at its end, however many messages came, and told when the driver pulls.
 *
 * Standards: RFC 4271 (all), 4456 §8–9 (loops only), 4486, 4724, 4760, 5492, 5882 §4, 6286, 6608, 6793, 7313, 7606, 7911
 * (receiving), 8092, 8212 (by the plan), 8326, 8538, 8654, 8950, 9003, 9384, 9494, 9687, 2918.
 * Left out on purpose: route reflection, confederations, MRAI (changes of a turn are coalesced instead; RFC 4271 §9.2.1.1
 * allows 0), sending several paths (RFC 7911), flap dampening of routes (RFC 2439).
 */
import { type Ip, ipv4 } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import { after, earliest, type Instant, instant, ms } from "../../base/unit.ts";
import { AttributeStore } from "./attributes.ts";
import { opened } from "./collision.ts";
import { configure } from "./configure.ts";
import { type Core, type Link, linksOf, type Peer } from "./core.ts";
import { begin, end, expireRefreshes, refreshed, reimport, updated } from "./established.ts";
import type { Action, BgpSpeaker, Connection, Event, Expected, RouteChange, RouteQuery, Stats } from "./event.ts";
import { Fib } from "./fib.ts";
import { drop, expireRetained } from "./graceful.ts";
import { close, connected, feed, forget, received } from "./link.ts";
import { Locals } from "./locals.ts";
import { NextHops } from "./next-hops.ts";
import { encode } from "./packet/codec.ts";
import { FAMILIES } from "./packet/family.ts";
import { UpdateWriter } from "./packet/packing.ts";
import {
  bfdChanged,
  discovered,
  dynamicAt,
  dynamicSpec,
  incoming,
  moved,
  peerAt,
  RESTART,
  settled,
  start,
  stop,
} from "./peer.ts";
import type { BgpPeerReport, BgpRouteReport } from "./plan.ts";
import { peerReport, routesFor } from "./report.ts";
import { advanceDrain, converge, deferralWake, expireDeferral, startDrain, stopAll } from "./restart.ts";
import { Rib } from "./rib.ts";
import { expired } from "./session.ts";
import { KEEPALIVE_EARLY } from "./session-moves.ts";
import { LOCAL, Sources } from "./sources.ts";
import { isSparse, sweepTables } from "./sweep.ts";
import { isWaiting, pull } from "./updates.ts";
import { bfdId, bfdWishes, discoveryWishes } from "./wishes.ts";

export class Speaker implements BgpSpeaker {
  readonly #core: Core;
  readonly #writer = new UpdateWriter();
  #connections = 0;
  #toldBfd = "[]";
  #toldDiscover = "[]";
  #toldRoutes = false;
  #sweptAt = instant(Number.NEGATIVE_INFINITY);

  /** `random`: between 0 and 1, for the jitter of timers (RFC 4271 §10) and the seed of hashes. */
  constructor(random: () => number) {
    const store = new AttributeStore();
    const sources = new Sources(0);
    const hops = new NextHops();
    const seed = Math.floor(random() * 2 ** 32);
    const ribs = {
      ipv4: new Rib("ipv4", store, sources, hops, seed),
      ipv6: new Rib("ipv6", store, sources, hops, seed),
    };
    this.#core = {
      on: {
        opened: (link, open, now) => opened(this.#core, link, open, now),
        begin: (link, negotiated, now) => begin(this.#core, link, negotiated, now),
        end: (peer, how, now) => end(this.#core, peer, how, now),
        updated: (peer, update, now) => updated(this.#core, peer, update, now),
        refreshed: (peer, refresh, now) => refreshed(this.#core, peer, refresh, now),
        moved: (link, how, now) => moved(this.#core, link, how, now),
        settled: (link, now) => settled(this.#core, link, now),
      },
      plan: undefined,
      routerId: ipv4("0.0.0.0"),
      store,
      sources,
      hops,
      ribs,
      locals: new Locals(store, ribs),
      fib: new Fib(ribs, store),
      peers: new Map(),
      links: new Map(),
      jitter: () => 0.75 + random() / 4,
      allot: () => this.allot(),
      out: [],
      changed: new Set(),
      outDirty: false,
      deferral: undefined,
      unheard: new Set(),
      unsynced: new Set(),
      drain: undefined,
      routers: new Map(),
      listsDirty: false,
      traces: new Set(),
      stopped: false,
      restarting: false,
      vacated: [],
      wakeSoon: undefined,
    };
  }

  allot(): Connection {
    return ++this.#connections;
  }

  handle(event: Event, now: Instant): readonly Action[] {
    this.#core.out = [];
    this.#dispatch(event, now);
    this.#finish(now);
    return this.#core.out;
  }

  nextWake(): Instant | undefined {
    const { peers, drain, wakeSoon } = this.#core;
    let wake = earliest(wakeSoon, deferralWake(this.#core));
    if (drain?.silent === false) wake = earliest(wake, drain.until);
    for (const { wakeAt } of peers.values()) wake = earliest(wake, wakeAt);
    return wake;
  }

  nextUpdates(connection: Connection, room: number, now: Instant): readonly Uint8Array[] {
    const core = this.#core;
    const link = core.links.get(connection);
    if (link === undefined || link.peer.up?.link !== link) return [];
    const messages = pull(core, link.peer, this.#writer, room, now);
    const drained = core.drain?.silent === true && !core.drain.told;
    if (core.out.length > 0 || core.changed.size > 0 || drained) core.wakeSoon = now;
    return messages;
  }
  nextRoutes(most: number): readonly RouteChange[] {
    const changes = this.#core.fib.next(most);
    if (changes.length === 0) this.#toldRoutes = false;
    return changes;
  }

  report(name: string, epoch: number): BgpPeerReport | undefined {
    const peer = this.#core.peers.get(name);
    return peer && peerReport(this.#core, peer, epoch);
  }
  peers(): readonly string[] {
    return [...this.#core.peers.keys()];
  }
  stats(): Stats {
    const { ribs, store } = this.#core;
    return {
      prefixes: ribs.ipv4.table.live + ribs.ipv6.table.live,
      paths: ribs.ipv4.paths.live + ribs.ipv6.paths.live,
      attributeSets: store.live,
    };
  }
  routes(query: RouteQuery): { readonly routes: readonly BgpRouteReport[]; readonly more: number } {
    return routesFor(this.#core, query);
  }
  expected(remote: Ip, ifname: string | undefined): Expected | undefined {
    const peer = peerAt(this.#core, remote, ifname);
    if (peer !== undefined) return { peer: peer.name, session: peer.spec };
    const dynamic = dynamicAt(this.#core, remote);
    if (dynamic === undefined) return undefined;
    const spec = dynamicSpec(dynamic, remote);
    return { peer: spec.name, session: spec };
  }

  /** A call that fails does not hide why the session before it fell. */
  #noteLoss(peer: Peer, calling: boolean, why: string): void {
    const { lastError } = peer;
    if (!calling) peer.lastError = `connection closed: ${why}`;
    else if (lastError?.startsWith(CALL_FAILED) ?? true) peer.lastError = `${CALL_FAILED}${why}`;
    if (peer.lastError !== lastError) this.#core.changed.add(peer.name);
  }

  #dispatch(event: Event, now: Instant): void {
    const core = this.#core;
    switch (event.kind) {
      case "wake":
        this.#wake(now);
        return;
      case "plan":
        configure(core, event.plan, now);
        return;
      case "opened": {
        const link = core.links.get(event.connection);
        if (link === undefined) return; // given up meanwhile: `close` is on its way
        link.ends = event.ends;
        connected(core, link, now);
        return;
      }
      case "incoming":
        incoming(core, event.connection, event.ends, now);
        return;
      case "received": {
        const link = core.links.get(event.connection);
        if (link !== undefined) received(core, link, event.bytes, now);
        return;
      }
      case "closed": {
        const link = core.links.get(event.connection);
        if (link === undefined) return;
        this.#noteLoss(link.peer, link.session.state === "connect", event.why);
        forget(core, link);
        feed(core, link, { kind: "tcp-failed" }, now);
        return;
      }
      case "queued": {
        const link = core.links.get(event.connection);
        if (link !== undefined) feed(core, link, { kind: "queued", octets: event.octets }, now);
        return;
      }
      case "bfd":
        for (const peer of core.peers.values())
          if (bfdId(peer) === event.id) bfdChanged(core, peer, event.up, event.wasUp, now);
        return;
      case "discovered":
        if (event.address === undefined) core.routers.delete(event.ifname);
        else core.routers.set(event.ifname, event.address);
        for (const peer of core.peers.values())
          if (peer.spec.address === undefined && peer.spec.ifname === event.ifname)
            discovered(core, peer, event.address, now);
        return;
      case "next-hop":
        if (core.hops.learn(event.ip, event.metric))
          for (const family of FAMILIES)
            core.ribs[family].touchHop((attributes) => core.store.entry(attributes).nextHop === event.ip);
        return;
      case "link":
        if (!event.up) this.#linkLost(event.ifname, now);
        return;
      case "clear":
        for (const peer of core.peers.values())
          if (peer.name === event.peer || peer.spec.address === event.peer) this.#clear(peer, event.how, now);
        return;
      case "withdraw":
        startDrain(core, event.until);
        return;
      case "stop":
        stopAll(core, event.keep, event.why, now);
        return;
      case "trace":
        if (event.on) core.traces.add(event.peer);
        else core.traces.delete(event.peer);
        return;
      default:
        unreachable(event);
    }
  }

  #wake(now: Instant): void {
    const core = this.#core;
    core.wakeSoon = undefined;
    for (const peer of core.peers.values()) {
      if (peer.wakeAt === undefined || peer.wakeAt > soon(peer, now)) continue;
      for (const link of linksOf(peer)) {
        for (;;) {
          const timer = expired(link.session, now);
          if (timer === undefined || !linksOf(peer).includes(link)) break;
          if (timer === "hold-expired" && this.#overslept(link, now)) continue;
          feed(core, link, { kind: timer }, now);
        }
      }
      expireRetained(core, peer, now);
      expireRefreshes(core, peer, now);
      settled(core, peer.main, now);
    }
  }

  /**
   * It is us who were not running (a stopped process, a suspended host): what the peer said meanwhile waits to be read.
   * It gets a moment, once, before it is called silent.
   */
  #overslept(link: Link, now: Instant): boolean {
    const at = link.session.timers["hold-expired"] ?? now;
    if (now - at < LATE) return false;
    const timers = { ...link.session.timers, "hold-expired": after(now, GRACE) };
    link.session = { ...link.session, timers };
    return true;
  }

  /** A directly connected external peer cannot be there any more: nobody need wait for its hold time. */
  #linkLost(ifname: string, now: Instant): void {
    const core = this.#core;
    for (const peer of core.peers.values()) {
      if (peer.spec.multihop !== undefined || peer.up?.negotiated.agreed.peer === "internal") continue;
      for (const link of linksOf(peer)) {
        if (link.ends?.ifname !== ifname) continue;
        peer.lastError = `interface ${ifname} lost its carrier`;
        close(core, link, true);
        feed(core, link, { kind: "tcp-failed" }, now);
      }
    }
  }

  #clear(peer: Peer, how: "hard" | "refresh-in" | "refresh-out", now: Instant): void {
    const core = this.#core;
    if (how === "hard") {
      peer.main.session = { ...peer.main.session, strikes: {} };
      stop(core, peer, { reason: "cease/administrative-reset", data: new Uint8Array(0) }, RESTART, now);
      for (const family of peer.retained.keys()) drop(core, peer, family);
      start(core, peer, true, now);
      return;
    }
    const { up } = peer;
    for (const { family, out } of up?.families.values() ?? []) {
      const agreed = up?.negotiated.agreed;
      if (how === "refresh-out") out.refresh(agreed?.enhancedRouteRefresh === true);
      else if (agreed?.routeRefresh === true)
        up?.extra.push(encode({ kind: "route-refresh", family, what: "request" }, agreed));
    }
    if (how === "refresh-in") reimport(core, peer);
    core.outDirty = true;
  }

  /** Everything that follows from what happened, once. */
  #finish(now: Instant): void {
    const core = this.#core;
    expireDeferral(core, now);
    for (const family of FAMILIES) this.#settle(family);
    advanceDrain(core, now);
    for (const source of core.vacated.splice(0)) if (source !== LOCAL) core.sources.drop(source);
    for (const change of core.hops.tracking()) core.out.push({ kind: "track", ...change });
    if (core.outDirty) this.#offer();
    if (core.fib.waiting && !this.#toldRoutes) {
      this.#toldRoutes = true;
      core.out.push({ kind: "routes" });
    }
    converge(core, now);
    if (core.listsDirty) this.#tellLists();
    for (const peer of core.changed) core.out.push({ kind: "changed", peer });
    core.changed.clear();
    if (core.store.due || (now - this.#sweptAt > SWEEP_EVERY && isSparse(core))) {
      this.#sweptAt = now;
      sweepTables(core);
    }
  }
  #settle(family: (typeof FAMILIES)[number]): void {
    const core = this.#core;
    const rib = core.ribs[family];
    if (!rib.unsettled) return;
    const outs = [...core.peers.values()].flatMap(({ up }) => up?.families.get(family)?.out ?? []);
    rib.settle((prefix) => {
      for (const out of outs) out.touch(prefix);
      core.fib.touch(family, prefix);
    });
    core.outDirty = true;
  }
  #offer(): void {
    const core = this.#core;
    core.outDirty = false;
    for (const peer of core.peers.values()) {
      const connection = peer.up?.link.connection;
      if (peer.up === undefined || peer.up.told || connection === undefined || !isWaiting(core, peer)) continue;
      peer.up.told = true;
      core.out.push({ kind: "updates", connection });
    }
  }
  #tellLists(): void {
    const core = this.#core;
    core.listsDirty = false;
    const sessions = bfdWishes(core);
    const bfd = JSON.stringify(sessions);
    if (bfd !== this.#toldBfd) core.out.push({ kind: "bfd", sessions });
    this.#toldBfd = bfd;
    const ifnames = discoveryWishes(core);
    const discover = JSON.stringify(ifnames);
    if (discover !== this.#toldDiscover) core.out.push({ kind: "discover", ifnames });
    this.#toldDiscover = discover;
  }
}

/** What may go along: see `expired`. */
function soon({ main }: Peer, now: Instant): Instant {
  return after(now, ms((main.session.keepaliveEvery ?? 0) * KEEPALIVE_EARLY));
}

const SWEEP_EVERY = 30_000;
/** No timer of a loop that runs is so late. */
const LATE = 1000;
/** To read what has come. */
const GRACE = ms(900);

const CALL_FAILED = "call failed: ";
