/** What becomes of flows: pinned to a link, balanced, answered the way they came, ended when their link dies. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { markValue, packetMark } from "../../../netstack/kernel/marks.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import type { Steering } from "../../../sdwan/steer/driver/steering.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { CLIENT, FACTS, Network, OVERLAY, OWN, REMOTE, SERVER, sitePlan, VALUES } from "./network.ts";
import { classSpec, ipOf, linkSpec } from "./plans.ts";
import { connect, serve } from "./streams.ts";

let net: Network;
let steering: Steering;
let port = 30_000;
const events: [string, Readonly<Record<string, unknown>>][] = [];
const fresh = (): number => port++;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("flows", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.steering((name, fields) => {
      events.push([name, fields]);
      if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
    });
    for (const value of [VALUES.voice1, VALUES.bulk1]) net.lead(value, "wan1");
    for (const value of [VALUES.voice2, VALUES.bulk2]) net.lead(value, "wan2");
    for (const value of [VALUES.default, VALUES.nv1, VALUES.voice1]) net.lead(value, "nv1");
    for (const value of [VALUES.nv2, VALUES.voice2]) net.lead(value, "nv2");
  });
  afterAll(() => net?.[Symbol.dispose]());
  afterEach(() => {
    for (const link of ["isp1", "isp2"]) net.in("e", () => steering.internet(link, true));
    net.forget();
  });

  const voice = (more: Parameters<typeof classSpec>[3] = {}, part: Parameters<typeof sitePlan>[0] = {}) =>
    net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {}, more)], ...part }));
  const valueOf = (to: number): number =>
    net.until("a connection", () => {
      const found = net.connections().find(({ original }) => original.destinationPort === to);
      return found && { value: markValue(found.mark) };
    }).value;

  for (const family of ["v4", "v6"] as const) {
    const [client, server, remote] = [CLIENT[family], SERVER[family], REMOTE[family]];

    test(`${family}: a flow to the internet stays on its link while its class moves; a new one moves`, () => {
      voice();
      net.lead(VALUES.voice, "wan1");
      for (const host of ["c", "e"] as const) {
        net.lead(VALUES.voice, "wan1");
        const [old, young] = [fresh(), fresh()];
        const from = host === "c" ? client : OWN.isp1[family];
        const sourcePort = net.udp(host, from, server, old);
        expect(net.where(old).at).toBe("wan1");
        expect(valueOf(old)).toBe(VALUES.voice1);
        net.lead(VALUES.voice, "wan2");
        net.forget();
        net.udp(host, from, server, old, { sourcePort });
        net.udp(host, from, server, young);
        expect([net.where(old).at, net.where(young).at]).toEqual(["wan1", "wan2"]);
        net.forget();
      }
    });

    test(`${family}: a flow in tunnels moves with its class, its addresses unchanged`, () => {
      voice();
      net.lead(VALUES.voice, "nv1");
      const to = fresh();
      const sourcePort = net.udp("c", client, remote, to);
      expect(net.where(to)).toMatchObject({ at: "nv1", source: client });
      net.lead(VALUES.voice, "nv2");
      net.forget();
      net.udp("c", client, remote, to, { sourcePort });
      expect(net.where(to)).toMatchObject({ at: "nv2", source: client, sourcePort });
    });

    test(`${family}: a flow to a site that began before there was a tunnel goes into it when there is one`, () => {
      voice();
      const table = 11_000 + VALUES.voice;
      net.lead(VALUES.voice, "wan1");
      net.withoutSite([table, 11_000 + VALUES.default], () => {
        const to = fresh();
        const sourcePort = net.udp("c", client, remote, to);
        expect(net.where(to)).toMatchObject({ at: "wan1", source: OWN.isp1[family] });
        net.lead(VALUES.voice, "nv2");
        net.forget();
        net.until("the flow in a tunnel", () => {
          // The first one is lost: its translation was for the link.
          net.udp("c", client, remote, to, { sourcePort });
          net.loop.turn(true);
          return net.seen.find((each) => each.at === "nv2" && each.destinationPort === to && each.source === client);
        });
      });
    });

    test(`${family}: what came in by a link is answered by it, by this host and by others`, () => {
      voice();
      const [local, behind] = [fresh(), fresh()];
      const address = OWN.isp2[family];
      using answering = net.echo("e", address, local);
      net.udp("i", server, address, local);
      const answer = net.until("an answer", () => net.seen.find((each) => each.sourcePort === local));
      expect(answer).toMatchObject({ at: "wan2", source: address });
      expect(valueOf(local)).toBe(VALUES.isp2);
      // A client that has a public address of its own: the provider routes it to us by the second link.
      using _ = net.echo("c", client, behind);
      net.addRoute("i", `${client}/${family === "v4" ? 32 : 128}`, "wan2", address, 254);
      net.udp("i", server, client, behind);
      expect(net.until("an answer", () => net.seen.find((each) => each.sourcePort === behind)).at).toBe("wan2");
      expect(answering).toBeDefined();
    });

    test(`${family}: what came in by a tunnel is answered by the one that it comes by now`, () => {
      voice();
      const to = fresh();
      using _ = net.echo("c", client, to);
      const sourcePort = fresh();
      for (const at of ["nv1", "nv2", "nv1"] as const) {
        net.forget();
        net.home(`${client}/${family === "v4" ? 32 : 128}`, at);
        net.udp("b", remote, client, to, { sourcePort });
        expect(net.until("an answer", () => net.seen.find((each) => each.sourcePort === to)).at).toBe(at);
        expect(valueOf(to)).toBe(VALUES[at]);
      }
    });

    test(`${family}: balanced by weight, and on the other link while one is dead`, () => {
      voice({ balance: { isp1: 2, isp2: 1 } });
      net.lead(VALUES.voice, "wan2");
      const ways = (): string[] =>
        Array.from({ length: 12 }, () => {
          const to = fresh();
          net.udp("c", client, server, to);
          return net.where(to).at;
        });
      const both = ways();
      expect(both.filter((at) => at === "wan1")).toHaveLength(8);
      net.in("e", () => steering.internet("isp1", false));
      expect(new Set(ways())).toEqual(new Set(["wan2"]));
    });

    test(`${family}: when its link dies, a client behind us and a process of this host hear at once; UDP goes on elsewhere`, () => {
      voice();
      net.lead(VALUES.voice, "wan1");
      const to = fresh();
      using listening = serve(net, server, to);
      const forwarded = connect(net, "c", client, server, to);
      const local = connect(net, "e", undefined, server, to);
      net.until("connections", () => forwarded.opened && local.opened && listening.accepted === 2);
      const udp = fresh();
      const sourcePort = net.udp("c", client, server, udp);
      expect(net.where(udp).at).toBe("wan1");
      // Silence on both: nobody sends anything that could be answered by a reset.
      net.lead(VALUES.voice, "wan2");
      net.in("e", () => steering.internet("isp1", false));
      expect(net.until("a reset", () => forwarded.closed)).toMatchObject({ kind: "failed", errno: ECONNRESET });
      expect(net.until("an end", () => local.closed)).toMatchObject({ kind: "failed", errno: ECONNABORTED });
      net.forget();
      net.udp("c", client, server, udp, { sourcePort });
      expect(net.where(udp).at).toBe("wan2");
      const again = connect(net, "c", client, server, to);
      net.until("a new connection", () => again.opened);
      again.stream.abort();
    });

    test(`${family}: a connection that is not answered yet begins anew on a link that lives`, () => {
      voice();
      net.lead(VALUES.voice, "wan1");
      const to = fresh();
      const silence = net.silence("i", to);
      const flow = connect(net, "c", client, server, to);
      net.where(to);
      net.lead(VALUES.voice, "wan2");
      net.in("e", () => steering.internet("isp1", false));
      silence[Symbol.dispose]();
      using listening = serve(net, server, to);
      net.until("a connection", () => flow.opened && listening.accepted === 1);
      expect(net.seen.findLast((each) => each.destinationPort === to)?.at).toBe("wan2");
      flow.stream.abort();
    });

    test(`${family}: a flow in tunnels lives on when its link dies, though it is bound to it`, () => {
      voice({ balance: { isp1: 1 } });
      const to = fresh();
      using listening = serve(net, remote, to);
      const flow = connect(net, "c", client, remote, to);
      net.until("a connection", () => flow.opened && listening.accepted === 1);
      expect(valueOf(to)).toBe(VALUES.voice1);
      net.lead(VALUES.voice1, "nv2");
      net.in("e", () => steering.internet("isp1", false));
      net.forget();
      flow.stream.write(Uint8Array.of(1, 2, 3));
      net.until("its octets", () => listening.octets === 3);
      expect(net.seen.some((each) => each.at === "nv2" && each.destinationPort === to)).toBe(true);
      expect(flow.closed).toBeUndefined();
      net.lead(VALUES.voice1, "nv1");
      flow.stream.abort();
    });

    test(`${family}: what is bound to the address of a link leaves by it`, () => {
      net.apply(steering, sitePlan({ classes: [] }));
      const to = fresh();
      net.udp("e", OWN.isp2[family], server, to);
      expect(net.where(to)).toMatchObject({ at: "wan2", source: OWN.isp2[family] });
    });
  }

  test("marks of others, in packets and connections, stay", () => {
    voice();
    net.lead(VALUES.voice, "wan2");
    net.in("e", () => {
      using nft = new Nftables();
      nft.transaction(THEIRS);
    });
    const [forwarded, local] = [fresh(), fresh()];
    net.udp("c", CLIENT.v4, SERVER.v4, forwarded);
    net.udp("e", OWN.isp1.v4, SERVER.v4, local, { mark: 0x4000_0123 });
    expect([net.where(forwarded).at, net.where(local).at]).toEqual(["wan2", "wan2"]);
    const marks = [forwarded, local].map(
      (to) => net.connections().find(({ original }) => original.destinationPort === to)?.mark,
    );
    expect(marks).toEqual([packetMark(VALUES.voice2) + 0x77, packetMark(VALUES.voice2)]);
    const left = net.in("e", () => {
      using nft = new Nftables();
      const counters = JSON.stringify(nft.list("list chain inet theirs post"));
      nft.transaction("delete table inet theirs");
      return counters;
    });
    // One packet of each kind left the host with their bits and ours side by side.
    expect(left.match(/"packets": ?1[,}]/g)).toHaveLength(2);
  });

  test("from site to site, and from a site to the internet, through this one: by class, answers back as they came", () => {
    voice();
    net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, { dscp: [46] })] }));
    net.lead(VALUES.voice, "nv2");
    net.lead(VALUES.voice, "wan2");
    net.addRoute("b", "198.51.100.0/24", "nv1", OVERLAY, 254);
    net.addRoute("b", "10.2.0.77/32", "nv1", OVERLAY, 254);
    const [out, plain, on] = [fresh(), fresh(), fresh()];
    const sourcePort = net.udp("b", REMOTE.v4, SERVER.v4, out, { dscp: 46 });
    const left = net.where(out);
    expect(left).toMatchObject({ at: "wan2", source: OWN.isp2.v4 });
    net.udp("i", SERVER.v4, left.source, left.sourcePort, { sourcePort: out });
    expect(net.where(sourcePort)).toMatchObject({ at: "nv1", destination: REMOTE.v4 });
    net.udp("b", REMOTE.v4, SERVER.v4, plain);
    expect(net.where(plain).at).toBe("wan1");
    net.udp("b", REMOTE.v4, "10.2.0.77", on, { dscp: 46 });
    net.until("a packet that goes on", () => net.neighbourAsked("nv2", "10.2.0.77"));
    net.route("b").deleteRoute({ destination: { ip: ipOf("10.2.0.77"), length: 32 }, table: 254, protocol: 4 });
  });

  test("a packet that carries a value of ours already is left alone", () => {
    voice();
    net.lead(VALUES.voice, "wan2");
    const to = fresh();
    net.udp("e", OWN.isp1.v4, SERVER.v4, to, { mark: packetMark(VALUES.isp1) });
    expect(net.where(to).at).toBe("wan1");
    expect(valueOf(to)).toBe(0);
  });

  test("a value that gets another meaning is taken from the flows that have it, and from no others", () => {
    voice();
    net.lead(VALUES.voice, "nv2");
    const to = fresh();
    net.udp("c", CLIENT.v4, REMOTE.v4, to);
    expect(valueOf(to)).toBe(VALUES.voice);
    const plan = sitePlan({ classes: [] });
    const other = { kind: "class", name: "other" } as const;
    const lanes = plan.lanes.map((each) => (each.mark === VALUES.voice ? { ...each, what: other } : each));
    net.apply(steering, { ...plan, lanes });
    expect(valueOf(to)).toBe(0);
    net.apply(steering, { ...plan, lanes: plan.lanes.filter(({ mark }) => mark !== VALUES.voice) });
  });

  test("a link without masquerade: flows of its clients are told by where they go", () => {
    voice(
      {},
      { links: [linkSpec("isp1", "wan1", VALUES.isp1, { masquerade: false }), linkSpec("isp2", "wan2", VALUES.isp2)] },
    );
    net.lead(VALUES.voice, "wan1");
    net.addRoute("i", "10.1.0.2/32", "wan1", "192.0.2.2", 254);
    const to = fresh();
    using listening = serve(net, SERVER.v4, to);
    const flow = connect(net, "c", CLIENT.v4, SERVER.v4, to);
    net.until("a connection", () => flow.opened && listening.accepted === 1);
    expect(net.where(to)).toMatchObject({ at: "wan1", source: CLIENT.v4 });
    net.in("e", () => steering.internet("isp1", false));
    expect(net.until("a reset", () => flow.closed)).toMatchObject({ kind: "failed", errno: ECONNRESET });
  });

  test("a link that is down is as one that is dead", () => {
    voice();
    net.lead(VALUES.voice, "wan1");
    const to = fresh();
    using listening = serve(net, SERVER.v4, to);
    const flow = connect(net, "c", CLIENT.v4, SERVER.v4, to);
    net.until("a connection", () => flow.opened && listening.accepted === 1);
    const facts = FACTS.map((each) => (each.name === "isp1" ? { ...each, state: "down" as const } : each));
    net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, {})] }), facts);
    net.until("a reset", () => flow.closed);
    expect(events.findLast(([name]) => name === "wan.flows-ended")?.[1]).toMatchObject({ link: "isp1", nudged: 1 });
  });

  test("while all links are said to be dead, nothing is ended and nothing refused; it is as soon as one lives", () => {
    voice();
    net.lead(VALUES.voice, "wan1");
    const to = fresh();
    using listening = serve(net, SERVER.v4, to);
    const flow = connect(net, "c", CLIENT.v4, SERVER.v4, to);
    net.until("a connection", () => flow.opened && listening.accepted === 1);
    net.in("e", () => steering.internet("isp2", false));
    net.in("e", () => steering.internet("isp1", false));
    flow.stream.write(Uint8Array.of(1));
    net.until("its octet", () => listening.octets === 1);
    const young = connect(net, "c", CLIENT.v4, SERVER.v4, to);
    net.until("a new connection", () => young.opened && listening.accepted === 2);
    young.stream.write(Uint8Array.of(1));
    net.until("its octet", () => listening.octets === 2);
    net.lead(VALUES.voice, "wan2");
    net.in("e", () => steering.internet("isp2", true));
    net.until("resets", () => flow.closed !== undefined && young.closed !== undefined);
  });

  test("flows are listed with what they belong to", () => {
    voice();
    net.lead(VALUES.voice, "wan1");
    const to = fresh();
    const sourcePort = net.udp("c", CLIENT.v4, SERVER.v4, to);
    net.where(to);
    const { flows } = net.in("e", () => steering.flows(1000));
    expect(flows.find((each) => each.destination === `${SERVER.v4}:${to}`)).toMatchObject({
      protocol: "udp",
      source: `${CLIENT.v4}:${sourcePort}`,
      class: "voice",
      link: "isp1",
      mark: VALUES.voice1,
    });
    expect(net.in("e", () => steering.flows(0)).more).toBeGreaterThan(0);
  });
});

/** Somebody who keeps something of his own in both marks. */
const THEIRS = `table inet theirs {
  chain pre {
    type filter hook prerouting priority -160
    iifname "lan" ct state new ct mark set 0x77
    iifname "lan" meta mark set 0x80000001
  }
  chain post {
    type filter hook postrouting priority 0
    meta mark 0x85000001 counter
    meta mark 0x45000123 counter
  }
}
`;
const ECONNABORTED = 103;
const ECONNRESET = 104;
