/** The traffic class that a connection begins with, in the packets of both engines. */
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { listenTcp, openPacket } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { ENGINES, open, Probe, until } from "./loop-probe.ts";

const LO = 1;
const ALL = 3;
const SYN = 2;
const CODE = 42 << 2;

interface Segment {
  readonly trafficClass: number;
  readonly isSyn: boolean;
  readonly hasData: boolean;
}

describe.skipIf(process.getuid?.() !== 0).each(ENGINES)("a connection on %s (needs root)", (engine) => {
  test.each([ipv4("127.0.0.1"), ipv6("::1")])("has the class of its handshake there, and 0 after it: %s", (ip: Ip) => {
    using loop = open(engine);
    const fd = listenTcp({ ip, port: 0 });
    const to = nameOf(fd);
    if (to === undefined) throw new Error("no name");
    const seen: Segment[] = [];
    using _raw = loop.datagrams(openPacket({ ifindex: LO, ethertype: ALL, cooked: true }), {
      received: (_socket, bytes) => {
        const segment = segmentTo(to.port, isIpv4(ip), bytes);
        if (segment !== undefined) seen.push(segment);
      },
    });
    const [near, far] = [new Probe(loop), new Probe(loop)];
    using _listener = loop.accept(fd, { accepted: () => far });
    const stream = loop.connect(to, near, { handshake: CODE });
    // Before it is there: it leaves with the first octets that may be sent.
    stream.write(Buffer.from("early"));
    until(loop, "octets", () => far.text === "early");
    stream.close();
    until(loop, "the end", () => far.ends === 1 && seen.some(({ hasData }) => hasData));
    const classes = (of: (segment: Segment) => boolean): readonly number[] => [
      ...new Set(seen.filter(of).map(({ trafficClass }) => trafficClass)),
    ];
    expect(classes(({ isSyn }) => isSyn)).toEqual([CODE]);
    expect(classes(({ hasData }) => hasData)).toEqual([0]);
  });
});

/** A segment to `port`; the octets begin with the IP header. */
function segmentTo(port: number, v4: boolean, bytes: Uint8Array): Segment | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 40 || view.getUint8(0) >> 4 !== (v4 ? 4 : 6)) return undefined;
  if (view.getUint8(v4 ? 9 : 6) !== 6) return undefined;
  const at = v4 ? (view.getUint8(0) & 15) * 4 : 40;
  if (bytes.length < at + 20 || view.getUint16(at + 2) !== port) return undefined;
  const end = v4 ? view.getUint16(2) : 40 + view.getUint16(4);
  return {
    trafficClass: v4 ? view.getUint8(1) : (view.getUint16(0) >> 4) & 0xff,
    isSyn: (view.getUint8(at + 13) & SYN) !== 0,
    hasData: end > at + (view.getUint8(at + 12) >> 4) * 4,
  };
}
