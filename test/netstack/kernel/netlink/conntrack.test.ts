/** nfnetlink_conntrack.h: what is written is what the kernel reads, and what it writes is read. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../../base/address.ts";
import { join } from "../../../../base/octets.ts";
import { attribute, nested } from "../../../../netstack/kernel/netlink/attribute.ts";
import { decodeConnection, encodeNamed } from "../../../../netstack/kernel/netlink/conntrack.ts";
import { ConntrackSocket } from "../../../../netstack/kernel/netlink/conntrack-socket.ts";
import { Nftables } from "../../../../netstack/kernel/nftables.ts";
import { CLIENT, Network, REMOTE, SERVER } from "../../../sdwan/steer/network.ts";
import { packetOf } from "../../../sdwan/steer/wire.ts";
import { sweep, UNABLE } from "../segment.ts";

const MASK = 0x3f00_0000;
const WITH_MARKS = `table inet t {
  chain c {
    type filter hook prerouting priority mangle
    udp dport 1001 ct mark set 0x05000123
    udp dport 1002 ct mark set 0x06000000
  }
}
`;

describe("octets", () => {
  const tuple = {
    source: ipv4("10.0.0.1"),
    destination: ipv4("10.0.0.2"),
    protocol: 6,
    sourcePort: 40_000,
    destinationPort: 443,
  };
  const attributes = (bytes: Uint8Array): Uint8Array => bytes.subarray(4);

  test("a connection is named as it is read", () => {
    const named = encodeNamed({ original: tuple, zone: 0, id: 7 });
    const orig = attributes(encodeNamed({ original: tuple, zone: 0, id: undefined }));
    const reply = Uint8Array.from(orig);
    reply[2] = 2; // CTA_TUPLE_REPLY
    const decoded = decodeConnection(join([named, reply]));
    expect(decoded).toMatchObject({ ok: true, value: { original: tuple, reply: tuple, id: 7, mark: 0, zone: 0 } });
  });

  test.each([
    ["short", Uint8Array.of(2, 0, 0)],
    ["bad-value", Uint8Array.of(7, 0, 0, 0)],
    ["bad-value", Uint8Array.of(2, 0, 0, 0)],
    ["bad-length", Uint8Array.of(2, 0, 0, 0, 99, 0, 1, 0)],
    [
      "bad-value",
      join([
        Uint8Array.of(2, 0, 0, 0),
        nested(
          1,
          nested(1, attribute(1, Uint8Array.of(1, 2, 3)), attribute(2, Uint8Array.of(1, 2, 3, 4))),
          nested(2, attribute(1, Uint8Array.of(6))),
        ),
      ]),
    ],
  ])("refused: %s", (kind, bytes) => {
    expect(decodeConnection(bytes)).toMatchObject({ ok: false, error: { kind } });
  });
});

beforeAll(sweep);
describe.skipIf(UNABLE !== undefined)("ctnetlink", () => {
  let net: Network;
  let socket: ConntrackSocket;
  beforeAll(() => {
    net = new Network();
    net.in("e", () => {
      using nft = new Nftables();
      nft.transaction(WITH_MARKS);
    });
    socket = net.use(net.in("e", () => new ConntrackSocket()));
    net.lead(5, "wan1");
    for (const to of [1001, 1002, 1003]) {
      net.udp("c", CLIENT.v4, SERVER.v4, to);
      net.udp("c", CLIENT.v6, SERVER.v6, to);
    }
  });
  afterAll(() => net?.[Symbol.dispose]());
  const ports = (filter?: { mark: number; mask: number }): readonly number[] =>
    socket
      .list(filter)
      .map(({ original }) => original.destinationPort ?? 0)
      .filter((port) => port > 1000 && port < 1004)
      .toSorted((one, other) => one - other);

  test("lists both families; the kernel filters by mark", () => {
    expect(ports()).toEqual([1001, 1001, 1002, 1002, 1003, 1003]);
    expect(ports({ mark: 0x0500_0000, mask: MASK })).toEqual([1001, 1001]);
    const found = socket.list({ mark: 0x0500_0000, mask: MASK }).map(({ original }) => original.destination);
    expect(new Set(found)).toEqual(new Set([ipv4(SERVER.v4), ipv6(SERVER.v6)]));
  });

  test("changes the bits of the mask and no others", () => {
    for (const each of socket.list({ mark: 0x0500_0000, mask: MASK })) {
      expect(socket.setMark(each, { mark: 0x0700_0000, mask: MASK })).toBe(true);
    }
    expect(socket.list({ mark: 0x0700_0000, mask: MASK }).map(({ mark }) => mark)).toEqual([0x0700_0123, 0x0700_0123]);
  });

  test("deletes one, named by its number: a second time it is not there", () => {
    const [each] = socket.list({ mark: 0x0700_0000, mask: MASK });
    if (each === undefined) throw new Error("nothing there");
    expect([socket.delete(each), socket.delete(each), socket.setMark(each, { mark: 0, mask: MASK })]).toEqual([
      true,
      false,
      false,
    ]);
    expect(ports({ mark: 0x0700_0000, mask: MASK })).toEqual([1001]);
  });

  test("flushes by mark, and nothing else", () => {
    socket.flush({ mark: 0x0600_0000, mask: MASK });
    expect(ports()).toEqual([1001, 1003, 1003]);
  });

  test("reads what ICMP's echo and TCP have", () => {
    net.raw(
      "c",
      packetOf({ source: CLIENT.v4, destination: SERVER.v4, protocol: 1, sourcePort: 77, destinationPort: 0, dscp: 0 }),
      SERVER.v4,
    );
    net.raw(
      "c",
      packetOf({
        source: CLIENT.v6,
        destination: REMOTE.v6,
        protocol: 58,
        sourcePort: 78,
        destinationPort: 0,
        dscp: 0,
      }),
      REMOTE.v6,
    );
    net.raw(
      "c",
      packetOf({
        source: CLIENT.v4,
        destination: "198.51.100.77",
        protocol: 6,
        sourcePort: 79,
        destinationPort: 80,
        dscp: 0,
      }),
      SERVER.v4,
    );
    const all = socket.list();
    const echo = all.find(({ original }) => original.icmp?.id === 77);
    expect(echo?.original.icmp).toEqual({ type: 8, code: 0, id: 77 });
    expect(all.find(({ original }) => original.icmp?.id === 78)?.original.icmp).toEqual({ type: 128, code: 0, id: 78 });
    expect(all.find(({ original }) => original.sourcePort === 79)?.tcpState).toBe(1);
    expect(echo !== undefined && socket.delete(echo)).toBe(true);
  });
});
