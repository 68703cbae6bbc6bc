/** What steering leaves alone: UDP between sites' own addresses, and what could only be answered on the wire it came by. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { markValue } from "../../../netstack/kernel/marks.ts";
import type { Steering } from "../../../sdwan/steer/driver/steering.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { Network, OVERLAY, OWN, REMOTE, sitePlan, VALUES } from "./network.ts";
import { classSpec } from "./plans.ts";
import { packetOf } from "./wire.ts";

let net: Network;
let steering: Steering;
let port = 30_000;
const fresh = (): number => port++;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("left alone", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.steering((name, fields) => {
      if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
    });
    net.lead(VALUES.voice, "nv2");
  });
  afterAll(() => net?.[Symbol.dispose]());
  afterEach(() => net.forget());

  const voice = (more: Parameters<typeof classSpec>[3] = {}, part: Parameters<typeof sitePlan>[0] = {}): void =>
    net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {}, more)], ...part }));
  const valueOf = (to: number): number =>
    net.until("a connection", () => {
      const found = net.connections().find(({ original }) => original.destinationPort === to);
      return found && { value: markValue(found.mark) };
    }).value;

  test("between overlay addresses UDP keeps to its device, whatever the classes say; TCP and ICMP do not", () => {
    voice();
    for (const at of ["nv1", "nv2"] as const) {
      const to = fresh();
      net.udp("e", OVERLAY, REMOTE.overlay, to, { device: at });
      expect(net.where(to).at).toBe(at);
      expect(valueOf(to)).toBe(0);
    }
    const [probe, answer] = [fresh(), fresh()];
    net.udp("b", REMOTE.overlay, OVERLAY, probe, { device: "nv1", sourcePort: answer });
    expect(valueOf(probe)).toBe(0);
  });

  test("a probe that was classified, before its addresses were known for what they are, is left alone from then on", () => {
    const [probe, from] = [fresh(), fresh()];
    const send = (): number => {
      net.forget();
      net.udp("e", OVERLAY, REMOTE.overlay, probe, { device: "nv1", sourcePort: from });
      return net.where(probe).dscp;
    };
    voice({ dscp: 46 }, { overlay: [] });
    expect(send()).toBe(46);
    expect(valueOf(probe)).toBe(VALUES.voice);
    voice({ dscp: 46 });
    expect(send()).toBe(0);
  });

  test("what a link-local neighbour or a DHCP server begins on a link is not answered by the link's table", () => {
    voice();
    const packet = { protocol: 17, destination: OWN.isp1.v4, dscp: 0 };
    const [stranger, neighbour, from] = [fresh(), fresh(), fresh()];
    for (const [source, sourcePort, destinationPort] of [
      ["192.0.2.1", from, stranger],
      ["169.254.7.7", from, neighbour],
      ["192.0.2.1", 67, 68],
    ] as const) {
      net.raw("i", packetOf({ ...packet, source, sourcePort, destinationPort }), OWN.isp1.v4);
    }
    expect([stranger, neighbour, 68].map(valueOf)).toEqual([VALUES.isp1, 0, 0]);
  });
});
