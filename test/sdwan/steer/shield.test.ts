/** The loss shield on the wire: what is copied, what of two packets goes on, and what becomes of the way back. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { checksum } from "../../../netstack/wire/checksum.ts";
import { Writer } from "../../../netstack/wire/cursor.ts";
import type { ShieldCount } from "../../../sdwan/steer/driver/shield-keeper.ts";
import { Steering } from "../../../sdwan/steer/driver/steering.ts";
import type { ShieldOrder } from "../../../sdwan/steer/shield-copies.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { CLIENT, Network, REMOTE, type Seen, sitePlan, VALUES } from "./network.ts";
import { classSpec, ipOf } from "./plans.ts";

let net: Network;
let steering: Steering;
let port = 40_000;
let counted: readonly ShieldCount[] = [];
const fresh = (): number => port++;

const [EF, ORIGINAL, COPY] = [46, 47, 45];
const ORDER: ShieldOrder = { class: "voice", site: "berlin", from: "nv1", to: "nv2" };
const VOICE = { ports: [[40_000, 49_999] as const] };
const PLAN = sitePlan({
  classes: [
    classSpec("voice", VALUES.voice, VOICE, { dscp: EF, shielded: true }),
    classSpec("bulk", VALUES.bulk, {}, { dscp: 10 }),
  ],
});

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("the loss shield", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.use(
      net.in(
        "e",
        () =>
          new Steering({
            loop: net.loop,
            state: undefined,
            event: (name, fields) => {
              if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
            },
            shieldCounts: (counts) => {
              counted = counts;
            },
          }),
      ),
    );
    for (const value of [VALUES.voice, VALUES.bulk, VALUES.nv1]) net.lead(value, "nv1");
    net.lead(VALUES.nv2, "nv2");
    net.apply(steering, PLAN);
  });
  afterAll(() => net?.[Symbol.dispose]());
  beforeEach(() => {
    order([]);
    net.forget();
  });

  function order(orders: readonly ShieldOrder[]): void {
    net.in("e", () => steering.shields(orders));
  }
  /** The packets to a port, once there are so many, and a later one has shown that there are no more. */
  function all(to: number, least: number): readonly Seen[] {
    const found = (): readonly Seen[] => net.seen.filter(({ destinationPort }) => destinationPort === to);
    net.until(`${least} packets to ${to}`, () => found().length >= least);
    return found();
  }

  for (const family of ["v4", "v6"] as const) {
    const [client, remote] = [CLIENT[family], REMOTE[family]];
    const home = family === "v4" ? "10.1.0.0/24" : "fd01::/64";

    /** From the remote site, by a tunnel, as a shielding site sends it. */
    function arrive(by: "nv1" | "nv2", to: number, dscp: number, id: number, payload = 16): void {
      net.home(home, by);
      net.raw("b", datagramOf({ source: remote, destination: client, port: to, dscp, id, payload }), client);
    }
    /** A packet of its own by the same way: what was sent before has passed. */
    function passed(by: "nv1" | "nv2"): void {
      const last = fresh();
      arrive(by, last, 0, 9);
      all(last, 1);
    }

    describe(family, () => {
      test("packets of the class are copied to the second tunnel while it is ordered; others never", () => {
        for (const orders of [[], [ORDER]]) {
          order(orders);
          net.forget();
          const to = fresh();
          net.udp("c", client, remote, to);
          const seen = all(to, orders.length + 1).toSorted((a, b) => (a.at < b.at ? -1 : 1));
          expect(seen.map(({ at, dscp }) => [at, dscp])).toEqual(
            orders.length === 0
              ? [["nv1", EF]]
              : [
                  ["nv1", ORIGINAL],
                  ["nv2", COPY],
                ],
          );
        }
        net.udp("c", client, remote, 9_000);
        expect(all(9_000, 1).map(({ at, dscp }) => [at, dscp])).toEqual([["nv1", 10]]);
        order([]);
        const to = fresh();
        net.udp("c", client, remote, to);
        expect(all(to, 1).map(({ at, dscp }) => [at, dscp])).toEqual([["nv1", EF]]);
      });

      test("answers to what came in with the class's code point are copied, too; other answers are not", () => {
        order([ORDER]);
        for (const [dscp, wanted] of [
          [EF, ["nv1", "nv2"]],
          [0, ["nv1"]],
        ] as const) {
          net.home(home, "nv1");
          const [to, from] = [fresh(), fresh()];
          using _echo = net.echo("c", client, to);
          net.udp("b", remote, client, to, { dscp, sourcePort: from });
          const seen = all(from, wanted.length);
          expect(seen.map(({ at }) => at).toSorted()).toEqual(wanted);
        }
      });

      test("of an original and its copy the first one goes on, with the class's own code point", () => {
        for (const payload of [16, 2]) {
          for (const [first, second] of [
            [ORIGINAL, COPY],
            [COPY, ORIGINAL],
          ] as const) {
            const to = fresh();
            arrive(first === ORIGINAL ? "nv1" : "nv2", to, first, 7, payload);
            arrive(second === ORIGINAL ? "nv1" : "nv2", to, second, 7, payload);
            passed("nv1");
            expect(
              all(to, 1)
                .filter(({ at }) => at === "lan")
                .map(({ dscp }) => dscp),
            ).toEqual([EF]);
          }
        }
      });

      test("what has no twin goes on; of datagrams that are the same to the octet none is taken for another one's", () => {
        const to = fresh();
        for (const [by, dscp, times] of [
          ["nv1", ORIGINAL, 3],
          ["nv2", COPY, 3],
          ["nv1", ORIGINAL, 2],
        ] as const)
          for (let each = 0; each < times; each++) arrive(by, to, dscp, 5);
        passed("nv1");
        // Five were sent by the first path, three by the second: never fewer than by the better one.
        const came = all(to, 1).filter(({ at }) => at === "lan").length;
        expect(came).toBeGreaterThanOrEqual(5);
        expect(came).toBeLessThanOrEqual(8);
        const others = fresh();
        for (const id of [1, 2, 3]) arrive(id === 2 ? "nv2" : "nv1", others, id === 2 ? COPY : ORIGINAL, id);
        passed("nv1");
        expect(all(others, 3).filter(({ at }) => at === "lan").length).toBe(3);
      });

      test("a copy whose original was lost leaves the way back where it was; an original moves it", () => {
        const [to, back] = [fresh(), 7000];
        using _echo = net.echo("c", client, to);
        for (const [by, dscp, wanted] of [
          ["nv1", ORIGINAL, "nv1"],
          ["nv2", COPY, "nv1"],
          ["nv2", ORIGINAL, "nv2"],
          ["nv1", COPY, "nv2"],
          ["nv1", EF, "nv1"],
        ] as const) {
          net.forget();
          arrive(by, to, dscp, fresh() & 0xffff);
          const answers = (): readonly Seen[] => net.seen.filter((each) => each.destinationPort === back);
          net.until(`an answer to what came by ${by}`, () => answers().length > 0);
          expect(answers().map(({ at }) => at)).toEqual([wanted]);
        }
      });

      test("the first packet of a flow may be a copy", () => {
        const to = fresh();
        using _echo = net.echo("c", client, to);
        arrive("nv2", to, COPY, 3);
        net.until("an answer", () => net.seen.some((each) => each.destinationPort === 7000 && each.at === "nv2"));
      });
    });
  }

  test("both ends count", () => {
    order([ORDER]);
    const to = fresh();
    net.udp("c", CLIENT.v4, REMOTE.v4, to);
    all(to, 2);
    net.until("copies and duplicates", () => {
      const of = (isCopied: boolean): number =>
        counted
          .filter(({ copied }) => (copied !== undefined) === isCopied)
          .reduce((sum, { packets }) => sum + packets, 0);
      return of(true) >= 3 && of(false) >= 8;
    });
  });

  test("orders that the plan or the host cannot follow do nothing", () => {
    order([
      { ...ORDER, class: "bulk" },
      { ...ORDER, site: "nowhere" },
      { ...ORDER, to: "nv1" },
      { ...ORDER, from: "nv9" },
    ]);
    const to = fresh();
    net.udp("c", CLIENT.v4, REMOTE.v4, to);
    expect(all(to, 1).map(({ at, dscp }) => [at, dscp])).toEqual([["nv1", EF]]);
  });

  test("nothing of it is left when all is removed, nor when there is no loss; it comes back with the plan", () => {
    using nft = net.in("e", () => new Nftables());
    const tables = (): readonly string[] => nft.listTables("novaedge_wan_shield").map(({ family }) => family);
    expect(tables()).toEqual([]);
    order([ORDER]);
    expect(tables()).toEqual(["inet", "netdev"]);
    net.in("e", () => steering.remove());
    expect(nft.listTables()).toEqual([]);
    net.apply(steering, PLAN);
    expect(tables()).toEqual(["inet", "netdev"]);
  });
});

interface Datagram {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly dscp: number;
  /** Tells datagrams apart: in the head of IPv4, and in the payload. */
  readonly id: number;
  /** Octets, 2 and more. */
  readonly payload: number;
}

function datagramOf({ source, destination, port: to, dscp, id, payload }: Datagram): Uint8Array {
  const [from, towards] = [octetsOfIp(ipOf(source)), octetsOfIp(ipOf(destination))];
  const length = 8 + payload;
  const body = new Writer(new Uint8Array(length)).u16(7000).u16(to).u16(length).u16(0).u16(id).written();
  const whole = join([body, new Uint8Array(length - body.length)]);
  const sum = checksum(join([from, towards, Uint8Array.of(0, 17, 0, length), whole]));
  whole.set([sum >>> 8, sum & 0xff], 6);
  const head = new Writer(new Uint8Array(40));
  if (from.length === 4)
    head
      .u8(0x45)
      .u8(dscp << 2)
      .u16(20 + length)
      .u16(1000 + id)
      .u16(0)
      .u8(64)
      .u8(17)
      .u16(0)
      .put(from)
      .put(towards);
  else
    head
      .u32(0x6000_0000 + dscp * 2 ** 22)
      .u16(length)
      .u8(17)
      .u8(64)
      .put(from)
      .put(towards);
  return join([head.written(), whole]);
}
