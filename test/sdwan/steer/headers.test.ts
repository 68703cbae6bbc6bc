/** What is written into packets, on the wire: code points inside and outside of tunnels, the trust boundary, segment sizes. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { packetMark } from "../../../netstack/kernel/marks.ts";
import type { Steering } from "../../../sdwan/steer/driver/steering.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { CLIENT, Network, OWN, REMOTE, SERVER, SITE, sitePlan, VALUES } from "./network.ts";
import { classSpec, tunnelSpec } from "./plans.ts";
import { packetOf } from "./wire.ts";

let net: Network;
let steering: Steering;
let port = 40_000;
const fresh = (): number => port++;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("headers", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.steering((name, fields) => {
      if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
    });
    for (const value of [VALUES.voice, VALUES.voice2]) net.lead(value, "wan2");
    for (const value of [VALUES.bulk, VALUES.voice1, VALUES.bulk1]) net.lead(value, "wan1");
    for (const value of [VALUES.voice, VALUES.voice2, VALUES.nv2]) net.lead(value, "nv2");
    for (const value of [VALUES.default, VALUES.voice1, VALUES.nv1]) net.lead(value, "nv1");
  });
  afterAll(() => net?.[Symbol.dispose]());
  beforeEach(() => net.forget());

  for (const family of ["v4", "v6"] as const) {
    const [client, server, remote] = [CLIENT[family], SERVER[family], REMOTE[family]];
    const own = OWN.isp1[family];

    test(`${family}: a class sets its code point on entry; forwarded, of this host, in every packet`, () => {
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {}, { dscp: 34 })] }));
      for (const [host, from] of [
        ["c", client],
        ["e", own],
      ] as const) {
        const to = fresh();
        const sourcePort = net.udp(host, from, server, to, { dscp: 46 });
        expect(net.where(to)).toMatchObject({ at: "wan2", dscp: 34 });
        net.forget();
        net.udp(host, from, server, to, { dscp: 10, sourcePort });
        expect(net.where(to)).toMatchObject({ at: "wan2", dscp: 34 });
      }
    });

    test(`${family}: a class without one leaves it as it is`, () => {
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {})] }));
      const to = fresh();
      net.udp("c", client, server, to, { dscp: 46 });
      expect(net.where(to).dscp).toBe(46);
    });

    test(`${family}: inside a tunnel, too`, () => {
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {}, { dscp: 46 })] }));
      const to = fresh();
      net.udp("c", client, remote, to);
      expect(net.where(to)).toMatchObject({ at: "nv2", dscp: 46 });
    });

    test(`${family}: a tunnel's outer packets carry its code point, by port and mark; another program's do not`, () => {
      const tunnels = [tunnelSpec("nv1", "isp1", VALUES.isp1, SITE, { listenPort: 51_821, dscp: 46 })];
      net.apply(steering, sitePlan({ tunnels, classes: [] }));
      const [outer, stranger, elsewhere] = [fresh(), fresh(), fresh()];
      const mark = packetMark(VALUES.isp1);
      net.udp("e", own, server, outer, { sourcePort: 51_821, mark });
      expect(net.where(outer)).toMatchObject({ at: "wan1", sourcePort: 51_821, dscp: 46 });
      net.udp("e", own, server, stranger, { sourcePort: 51_821 });
      expect(net.where(stranger).dscp).toBe(0);
      net.udp("e", own, server, elsewhere, { sourcePort: 51_822, mark });
      expect(net.where(elsewhere).dscp).toBe(0);
    });

    test(`${family}: answers that enter by a WAN link get the class's code point, whatever the provider wrote`, () => {
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {}, { dscp: 34 })] }));
      const to = fresh();
      const sourcePort = net.udp("c", client, server, to);
      const seen = net.where(to);
      net.udp("i", server, seen.source, seen.sourcePort, { sourcePort: to, dscp: 63 });
      const answer = net.until("an answer", () =>
        net.seen.find((each) => each.at === "lan" && each.destinationPort === sourcePort),
      );
      expect(answer).toMatchObject({ source: server, dscp: 34 });
    });

    test(`${family}: what enters by a link that a class names loses its code point, or keeps it where none does`, () => {
      const whole = `${client}/${family === "v4" ? 32 : 128}`;
      net.addRoute("i", whole, "wan2", OWN.isp2[family], 254);
      const untrusted = classSpec("voice", VALUES.voice, { interfaces: ["wan2"] }, { dscp: 0 });
      net.apply(steering, sitePlan({ classes: [untrusted] }));
      const [lost, kept] = [fresh(), fresh()];
      net.udp("i", server, client, lost, { dscp: 46 });
      expect(net.where(lost)).toMatchObject({ at: "lan", dscp: 0 });
      net.apply(steering, sitePlan({ classes: [] }));
      net.udp("i", server, client, kept, { dscp: 46 });
      expect(net.where(kept)).toMatchObject({ at: "lan", dscp: 46 });
    });

    test(`${family}: the proxy's token chooses its class and never leaves the host`, () => {
      const proxied = { users: [4243], proxied: [3] };
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, proxied)] }));
      const [hers, ours] = [fresh(), fresh()];
      say(4243, family, server, hers, 3);
      expect(net.where(hers)).toMatchObject({ at: "wan2", dscp: 0 });
      net.udp("e", own, server, ours, { dscp: 3 });
      expect(net.where(ours)).toMatchObject({ at: "wan1", dscp: 3 });
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, proxied, { dscp: 3 })] }));
      const same = fresh();
      say(4243, family, server, same, 3);
      expect(net.where(same)).toMatchObject({ at: "wan2", dscp: 3 });
    });

    test(`${family}: to a backend at home the token is cleared, too`, () => {
      net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, { users: [4243], proxied: [3] })] }));
      const to = fresh();
      say(4243, family, client, to, 3);
      expect(net.where(to)).toMatchObject({ at: "lan", dscp: 0 });
    });

    test(`${family}: segments of connections in tunnels fit the tunnel, in both directions`, () => {
      net.apply(steering, sitePlan({ classes: [] }));
      const headers = family === "v4" ? 40 : 60;
      net.route("e").changeLink("nv1", { mtu: 1420 });
      net.route("b").changeLink("nv1", { mtu: 1420 });
      const [out, home] = [fresh(), fresh()];
      const syn = { protocol: 6, sourcePort: fresh(), dscp: 0, mss: 1460 };
      net.raw("c", packetOf({ ...syn, source: client, destination: remote, destinationPort: out }), remote);
      expect(net.where(out)).toMatchObject({ at: "nv1", mss: 1420 - headers });
      net.home(`${client}/${family === "v4" ? 32 : 128}`, "nv1");
      net.raw("b", packetOf({ ...syn, source: remote, destination: client, destinationPort: home }), client);
      expect(net.where(home)).toMatchObject({ at: "lan", mss: 1420 - headers });
      const small = fresh();
      net.raw(
        "c",
        packetOf({ ...syn, mss: 1000, source: client, destination: remote, destinationPort: small }),
        remote,
      );
      expect(net.where(small).mss).toBe(1000);
    });
  }
});

/** A datagram of a process of this host, by its user: whose a socket is, its opener's effective user says. */
function say(user: number, family: "v4" | "v6", to: string, port: number, dscp: number): void {
  net.as(user, () => net.udp("e", family === "v4" ? "0.0.0.0" : "::", to, port, { dscp }));
}
