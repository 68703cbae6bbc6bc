/** Which way packets take, on the wire: each matcher of a class, both families, forwarded and of this host's processes. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Steering } from "../../../sdwan/steer/driver/steering.ts";
import type { ClassMatch, LinkSpec } from "../../../sdwan/underlay-plan.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { CLIENT, Network, OWN, REMOTE, SERVER, sitePlan, VALUES } from "./network.ts";
import { classSpec } from "./plans.ts";
import { packetOf } from "./wire.ts";

let net: Network;
let steering: Steering;
let port = 20_000;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("class → way", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.steering((name, fields) => {
      if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
    });
    for (const value of [VALUES.voice, VALUES.voice2, VALUES.bulk2]) net.lead(value, "wan2");
    for (const value of [VALUES.bulk, VALUES.voice1, VALUES.bulk1]) net.lead(value, "wan1");
    for (const value of [VALUES.voice, VALUES.voice2, VALUES.nv2]) net.lead(value, "nv2");
    for (const value of [VALUES.default, VALUES.voice1, VALUES.nv1]) net.lead(value, "nv1");
  });
  afterAll(() => net?.[Symbol.dispose]());
  beforeEach(() => net.forget());

  /** The class "voice" takes what matches by wan2 and nv2; all else goes by wan1, and to the site by nv1. */
  function voice(match: Partial<ClassMatch>): void {
    net.apply(steering, sitePlan({ classes: [classSpec("voice", VALUES.voice, match)] }));
  }
  const fresh = (): number => port++;

  describe("whose source a link hides", () => {
    const sources = (change: Partial<LinkSpec>): readonly (string | undefined)[] => {
      const base = sitePlan({});
      const links = base.links.map((each) => (each.ifname === "wan1" ? { ...each, ...change } : each));
      net.apply(steering, { ...base, links });
      return (["v4", "v6"] as const).map((family) => {
        const to = fresh();
        net.udp("c", CLIENT[family], SERVER[family], to);
        const seen = net.where(to);
        return `${seen.at} ${seen.source}`;
      });
    };
    const [hidden4, hidden6] = [`wan1 ${OWN.isp1.v4}`, `wan1 ${OWN.isp1.v6}`];
    test.each<[string, Partial<LinkSpec>, readonly string[]]>([
      ["of both families", {}, [hidden4, hidden6]],
      ["of none", { masquerade: false }, [`wan1 ${CLIENT.v4}`, `wan1 ${CLIENT.v6}`]],
      ["of IPv4 alone", { masquerade: "ipv4" }, [hidden4, `wan1 ${CLIENT.v6}`]],
      ["of IPv6 alone", { masquerade: "ipv6" }, [`wan1 ${CLIENT.v4}`, hidden6]],
      [
        "but for networks that the provider routes there",
        { routedPrefixes: ["fd01::/64"] },
        [hidden4, `wan1 ${CLIENT.v6}`],
      ],
      [
        "of either family, of other networks",
        { routedPrefixes: ["fd02::/64", "10.1.0.0/30", "10.9.0.0/24"] },
        [`wan1 ${CLIENT.v4}`, hidden6],
      ],
    ])("%s", (_what, change, expected) => {
      expect(sources(change)).toEqual(expected);
    });
  });

  for (const family of ["v4", "v6"] as const) {
    const [client, server, remote] = [CLIENT[family], SERVER[family], REMOTE[family]];
    const own = OWN.isp1[family];
    const whole = family === "v4" ? "/32" : "/128";
    describe(family, () => {
      test("destination network: forwarded, and from this host", () => {
        voice({ destinations: [`${server}${whole}`] });
        for (const [host, from] of [
          ["c", client],
          ["e", own],
        ] as const) {
          const to = fresh();
          net.udp(host, from, server, to);
          expect(net.where(to)).toMatchObject({ at: "wan2", source: OWN.isp2[family] });
        }
      });

      test("what no class takes goes as it would without us, its source hidden", () => {
        voice({ destinations: ["192.0.2.99/32"] });
        const to = fresh();
        net.udp("c", client, server, to);
        expect(net.where(to)).toMatchObject({ at: "wan1", source: own });
      });

      test("source network", () => {
        voice({ sources: [`${client}${whole}`] });
        const [mine, others] = [fresh(), fresh()];
        net.udp("c", client, server, mine);
        expect(net.where(mine).at).toBe("wan2");
        net.udp("e", own, server, others);
        expect(net.where(others).at).toBe("wan1");
      });

      test("ports and protocol", () => {
        const inside = fresh();
        voice({ protocols: ["udp"], ports: [[inside, inside]] });
        const outside = fresh();
        net.udp("c", client, server, inside);
        net.udp("c", client, server, outside);
        expect([net.where(inside).at, net.where(outside).at]).toEqual(["wan2", "wan1"]);
        const tcp = { source: client, destination: server, protocol: 6, sourcePort: 999, dscp: 0 };
        net.raw("c", packetOf({ ...tcp, destinationPort: inside }), server);
        const seen = net.until("a SYN", () => net.seen.find((each) => each.protocol === 6));
        expect(seen.at).toBe("wan1");
      });

      test("icmp is that of the family", () => {
        voice({ protocols: ["icmp"] });
        const protocol = family === "v4" ? 1 : 58;
        const echo = {
          source: client,
          destination: server,
          protocol,
          sourcePort: fresh(),
          destinationPort: 0,
          dscp: 0,
        };
        net.raw("c", packetOf(echo), server);
        const seen = net.until("an echo", () =>
          net.seen.find((each) => each.protocol === protocol && each.destination === server),
        );
        expect(seen.at).toBe("wan2");
      });

      test("DSCP on entry", () => {
        voice({ dscp: [46] });
        const [marked, plain] = [fresh(), fresh()];
        net.udp("c", client, server, marked, { dscp: 46 });
        net.udp("c", client, server, plain);
        expect(net.where(marked)).toMatchObject({ at: "wan2", dscp: 46 });
        expect(net.where(plain)).toMatchObject({ at: "wan1", dscp: 0 });
      });

      test("interface of entry", () => {
        voice({ interfaces: ["lan"] });
        const [forwarded, local] = [fresh(), fresh()];
        net.udp("c", client, server, forwarded);
        net.udp("e", own, server, local);
        expect([net.where(forwarded).at, net.where(local).at]).toEqual(["wan2", "wan1"]);
      });

      test("user of a process of this host", () => {
        voice({ users: [4242] });
        const [hers, ours] = [fresh(), fresh()];
        const say = `echo x > /dev/udp/${server}/${hers}`;
        const args = [
          `--net=/run/netns/${net.namespace("e")}`,
          "setpriv",
          "--reuid=4242",
          "--clear-groups",
          "bash",
          "-c",
          say,
        ];
        const child = spawnSync("nsenter", args, { encoding: "utf8" });
        expect(child.stderr).toBe("");
        expect(net.where(hers)).toMatchObject({ at: "wan2", source: OWN.isp2[family] });
        net.udp("e", own, server, ours);
        expect(net.where(ours).at).toBe("wan1");
      });

      test("to a remote site: a class by its tunnel, all else by the default choice's", () => {
        voice({ dscp: [46] });
        const [marked, plain, local] = [fresh(), fresh(), fresh()];
        net.udp("c", client, remote, marked, { dscp: 46 });
        net.udp("c", client, remote, plain);
        expect(net.where(marked)).toMatchObject({ at: "nv2", source: client });
        expect(net.where(plain)).toMatchObject({ at: "nv1", source: client });
        net.udp("e", family === "v4" ? "10.255.1.1" : "fd01:255::1", remote, local, { dscp: 46 });
        expect(net.where(local).at).toBe("nv2");
      });

      test("a neighbour on a link's wire is not looked for by another link", () => {
        voice({});
        const gateway = family === "v4" ? "192.0.2.1" : "2001:db8:1::1";
        for (const [host, from] of [
          ["c", client],
          ["e", own],
        ] as const) {
          const to = fresh();
          net.udp(host, from, gateway, to);
          expect(net.where(to)).toMatchObject({ at: "wan1", source: own });
        }
        const asked = { source: client, destination: gateway, protocol: "udp", port: 9, dscp: 0, ifname: "lan" };
        const said = net.in("e", () => steering.classify(asked));
        expect(said).toMatchObject({ class: undefined, mark: 0, why: expect.stringContaining("on the wire of wan1") });
      });

      test("networks of this site, and this host, are never steered", () => {
        voice({});
        const [home, here] = [fresh(), fresh()];
        net.udp("e", family === "v4" ? "10.1.0.1" : "fd01::1", client, home);
        expect(net.where(home).at).toBe("lan");
        net.udp("c", client, own, here);
        const mark = net.until(
          "a connection",
          () => net.connections().find((each) => each.original.destinationPort === here)?.mark,
        );
        expect(mark).toBe(0);
      });
    });
  }
});
