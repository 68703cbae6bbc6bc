/** A peer's life under a virtual clock. */
import { describe, expect, test } from "vitest";
import type { WireguardPeer } from "../../../base/wireguard.ts";
import {
  beginLife,
  configured,
  discovered,
  foundOf,
  look,
  type PeerLife,
  type PeerOrders,
} from "../../../sdwan/overlay/peer-life.ts";
import { emptyPeer } from "./model.ts";

const HOME = "192.0.2.1:51820";

class Clock {
  now = 1_000_000;
  life: PeerLife;
  peer: WireguardPeer = emptyPeer("k");
  obstacle: string | undefined;
  readonly orders: (PeerOrders & { readonly at: number })[] = [];

  constructor(endpoints: readonly string[] = [HOME]) {
    this.life = configured(beginLife(this.now), endpoints, this.now);
    const [endpoint] = endpoints;
    this.peer = { ...this.peer, endpoint };
  }

  /** Looks every 100 ms. */
  pass(milliseconds: number, each: (at: number) => void = () => undefined): void {
    const begin = this.now;
    for (const end = this.now + milliseconds; this.now < end; this.now += 100) {
      each(this.now - begin);
      const sight = { now: this.now, obstacle: this.obstacle, peer: this.peer, patient: false };
      const [life, orders] = look(this.life, sight);
      this.life = life;
      if (orders.moveTo !== undefined && !orders.renew) this.peer = { ...this.peer, endpoint: orders.moveTo };
      if (orders.moveTo !== undefined || orders.renew || orders.resolve)
        this.orders.push({ ...orders, at: this.now - begin });
    }
  }

  shake(): void {
    const { received, sent } = this.peer;
    this.peer = { ...this.peer, lastHandshake: this.now, received: received + 92, sent: sent + 148 };
  }

  get moves(): readonly (string | undefined)[] {
    return this.orders.filter(({ moveTo }) => moveTo !== undefined).map(({ moveTo }) => moveTo);
  }
}

describe("before the first handshake", () => {
  test("connecting for half a minute, down after it, with the reason", () => {
    const clock = new Clock();
    clock.pass(5_000);
    expect(clock.life).toMatchObject({ state: "connecting", unshaken: false, why: `no handshake with ${HOME} yet` });
    clock.pass(24_000);
    const why = `no handshake with ${HOME} was ever completed: no call of it was heard; UDP is shut, or the keys do not fit`;
    expect(clock.life).toMatchObject({ state: "connecting", unshaken: true, why });
    clock.pass(2_000);
    expect(clock.life).toMatchObject({ state: "down", unshaken: true, why });
  });

  test("the first calls are repeated sooner than WireGuard would (5 s), three times and no more", () => {
    const clock = new Clock();
    clock.pass(60_000);
    expect(clock.orders.filter(({ renew }) => renew).map(({ at }) => at)).toEqual([700, 1_400, 2_100]);
  });

  test("an endpoint that it has already is not set again at once; names are asked for again when it does not help", () => {
    const clock = new Clock();
    clock.pass(9_000);
    expect(clock.moves).toEqual([]);
    clock.pass(2_000);
    expect(clock.orders.some(({ resolve }) => resolve)).toBe(true);
  });

  test("several addresses of a name have their turns", () => {
    const clock = new Clock([HOME, "[2001:db8::1]:51820"]);
    clock.pass(35_000);
    expect(new Set(clock.moves)).toEqual(new Set([HOME, "[2001:db8::1]:51820"]));
  });

  test("without an endpoint there is nothing to do but wait", () => {
    const clock = new Clock([]);
    clock.pass(31_000);
    expect(clock.moves).toEqual([]);
    expect(clock.life).toMatchObject({ state: "down", why: "no endpoint: the peer must call, or be found" });
  });
});

describe("while it works", () => {
  test("up from the handshake on, and nothing is ordered, wherever the peer roams", () => {
    const clock = new Clock();
    clock.pass(500);
    clock.shake();
    clock.peer = { ...clock.peer, endpoint: "203.0.113.7:4242" };
    clock.pass(100_000, () => {
      const { received, sent } = clock.peer;
      clock.peer = { ...clock.peer, received: received + 100, sent: sent + 100 };
    });
    expect(clock.orders).toEqual([]);
    expect(clock.life).toMatchObject({ state: "up", direct: true });
    expect(foundOf(clock.life, clock.peer.endpoint)).toBe("called-us");
    expect(foundOf(clock.life, HOME)).toBe("configured");
  });

  test("keepalives alone, unanswered for hours, are no sign of death; WireGuard's own time is: 180 s", () => {
    const clock = new Clock();
    clock.shake();
    clock.pass(179_000, (at) => {
      if (at % 25_000 === 0) clock.peer = { ...clock.peer, sent: clock.peer.sent + 32 };
    });
    expect(clock.life.state).toBe("up");
    clock.pass(2_000);
    expect(clock.life).toMatchObject({ state: "connecting", direct: false, why: `nothing comes back from ${HOME}` });
  });

  test("data that nobody answers for 15 s is one", () => {
    const clock = new Clock();
    clock.shake();
    clock.pass(1_000);
    clock.pass(17_000, () => (clock.peer = { ...clock.peer, sent: clock.peer.sent + 128 }));
    expect(clock.life).toMatchObject({ state: "connecting", direct: false });
    expect(clock.moves[0]).toBe(HOME);
    // And what comes in ends it.
    clock.peer = { ...clock.peer, received: clock.peer.received + 32 };
    clock.pass(200);
    expect(clock.life).toMatchObject({ state: "up", direct: true });
  });

  test("a clock that was set back makes no living tunnel dead", () => {
    const clock = new Clock();
    clock.shake();
    clock.now -= 60_000;
    clock.pass(1_000);
    expect(clock.life.state).toBe("up");
  });
});

describe("when it is stuck", () => {
  test("first where it was, then where it is configured; back to rest when it answers", () => {
    const clock = new Clock();
    clock.shake();
    clock.peer = { ...clock.peer, endpoint: "203.0.113.7:4242" };
    clock.pass(200_000);
    expect(clock.moves.slice(0, 2)).toEqual(["203.0.113.7:4242", HOME]);
    clock.orders.length = 0;
    clock.shake();
    clock.pass(30_000);
    expect(clock.orders).toEqual([]);
    expect(clock.life.state).toBe("up");
  });

  test("what NAT traversal found has its chance first", () => {
    const clock = new Clock();
    clock.pass(1_000);
    clock.life = discovered(clock.life, { endpoint: "198.51.100.4:7", found: "mapped" }, clock.now);
    clock.peer = { ...clock.peer, endpoint: "198.51.100.4:7" };
    clock.orders.length = 0;
    clock.pass(14_000);
    expect(clock.orders).toEqual([]);
    expect(foundOf(clock.life, "198.51.100.4:7")).toBe("mapped");
    clock.pass(2_000);
    expect(clock.moves.length).toBeGreaterThan(0);
  });

  test("a link that is down stops all trying; when it is back, trying begins anew", () => {
    const clock = new Clock();
    clock.shake();
    clock.obstacle = "link isp1: no carrier";
    clock.pass(60_000);
    expect(clock.orders).toEqual([]);
    expect(clock.life).toMatchObject({ state: "down", why: "link isp1: no carrier" });
    clock.obstacle = undefined;
    clock.pass(200);
    expect(clock.life.state).toBe("up"); // the handshake is young still
    clock.pass(130_000);
    expect(clock.moves[0]).toBe(HOME);
  });

  test("the time of a state is that of its last change", () => {
    const clock = new Clock();
    clock.pass(1_000);
    const { since } = clock.life;
    clock.pass(10_000);
    expect(clock.life.since).toBe(since);
    clock.shake();
    clock.pass(100);
    expect(clock.life.since).toBeGreaterThan(since);
  });
});

test("a clock that is set back by an hour makes nobody wait for an hour", () => {
  const clock = new Clock([HOME, "192.0.2.2:51820"]);
  clock.pass(31_000);
  expect(clock.life.state).toBe("down");
  clock.now -= 3_600_000;
  clock.orders.length = 0;
  clock.pass(35_000);
  expect(clock.moves.length).toBeGreaterThan(0);
  expect(clock.life.state).toBe("down");
});
