/** The kernel does with real packets what the pure evaluation of the same list of classes says. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markValue } from "../../../netstack/kernel/marks.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { classify } from "../../../sdwan/steer/classify.ts";
import type { Steering } from "../../../sdwan/steer/driver/steering.ts";
import { matchesHost } from "../../../sdwan/steer/learn.ts";
import type { ClassMatch } from "../../../sdwan/underlay-plan.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { Network, SERVER, sitePlan, VALUES } from "./network.ts";
import { classSpec, ipOf, matching } from "./plans.ts";
import { type Made, packetOf } from "./wire.ts";

const V4 = { sources: ["10.1.0.2", "10.1.0.77", "10.1.0.200"], destinations: [SERVER.v4, "198.51.100.99", "10.2.0.2"] };
const V6 = { sources: ["fd01::2", "fd01::77"], destinations: [SERVER.v6, "2001:db8:100::99", "fd02::2"] };
const NETWORKS = ["10.1.0.0/25", "10.1.0.2/32", "10.0.0.0/8", "fd01::/64", "fd01::77/128", "0.0.0.0/0", "::/0"];
const TARGETS = [
  "198.51.100.0/24",
  "198.51.100.99/32",
  "10.2.0.0/16",
  "2001:db8:100::/48",
  "2001:db8:100::99/128",
  "::/0",
];
const KNOWN: Readonly<Record<string, string>> = {
  [SERVER.v4]: "www.example.com",
  [SERVER.v6]: "www.example.com",
  "198.51.100.99": "b.example.org",
};

const some = <T>(values: readonly T[], most = 2): fc.Arbitrary<readonly T[]> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.subarray([...values], { minLength: 1, maxLength: most }) },
  );
const ports: fc.Arbitrary<readonly [number, number]> = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 4 }))
  .map(([first, more]) => [first, first + more]);
const match: fc.Arbitrary<ClassMatch> = fc
  .record({
    sources: some(NETWORKS, 3),
    destinations: some(TARGETS, 3),
    protocols: some(["tcp", "udp", "icmp", "99", "17"]),
    ports: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(ports, { minLength: 1, maxLength: 3 }) },
    ),
    dscp: some([0, 10, 46]),
    interfaces: some(["lan", "eth9"]),
    users: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.constant([4242]) }),
    hosts: some(["*.example.com", "b.example.org", "none.example.net"]),
    proxied: fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.constant([10]) }),
  })
  .map((part) => matching(part));
const packet: fc.Arbitrary<Omit<Made, "sourcePort">> = fc.constantFrom(V4, V6).chain(({ sources, destinations }) =>
  fc.record({
    source: fc.constantFrom(...sources),
    destination: fc.constantFrom(...destinations),
    protocol: fc.constantFrom(6, 17, sources === V4.sources ? 1 : 58, 99),
    destinationPort: fc.integer({ min: 1, max: 16 }),
    dscp: fc.constantFrom(0, 10, 46),
  }),
);

const SILENCE = `table inet silence {
  chain input {
    type filter hook input priority 0
    meta l4proto tcp drop
  }
}
`;
let net: Network;
let steering: Steering;
let sourcePort = 1000;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pure evaluation and kernel", () => {
  beforeAll(() => {
    net = new Network();
    steering = net.steering((name, fields) => {
      if (name === "wan.steering-refused") throw new Error(String(fields["why"]));
    });
    // A reset in answer to a SYN would make the kernel forget the connection before it is looked at.
    for (const host of ["i", "b"] as const) {
      using nft = net.in(host, () => new Nftables());
      net.in(host, () => nft.transaction(SILENCE));
    }
    for (const value of [VALUES.voice, VALUES.bulk, VALUES.default]) net.lead(value, "nv1");
    for (const value of [VALUES.voice, VALUES.bulk]) net.lead(value, "wan1");
  });
  afterAll(() => net?.[Symbol.dispose]());

  test("agree about forwarded packets of every kind", { timeout: 30_000 }, () => {
    let classified = 0;
    fc.assert(
      fc.property(match, match, fc.array(packet, { minLength: 8, maxLength: 8 }), (voice, bulk, packets) => {
        const classes = [classSpec("voice", VALUES.voice, voice), classSpec("bulk", VALUES.bulk, bulk)];
        // Without pins a connection keeps the value that classification gave it.
        const whole = sitePlan({ classes });
        net.apply(steering, { ...whole, lanes: whole.lanes.filter(({ what }) => what.kind !== "pinned") });
        learn(classes.flatMap(({ match: { hosts } }) => hosts));
        for (const each of packets) {
          sourcePort++;
          net.raw("c", packetOf({ ...each, sourcePort }), each.destination);
          const said = classify(
            classes,
            { ...each, source: ipOf(each.source), destination: ipOf(each.destination), ifname: "lan", user: undefined },
            hostOf,
          );
          const value = valueOf({ ...each, sourcePort });
          expect({ value, each, voice, bulk, why: said.why }).toMatchObject({ value: said.class?.mark ?? 0 });
          if (value !== 0) classified++;
        }
      }),
      { numRuns: 20 },
    );
    expect(classified).toBeGreaterThan(15);
  });
});

/** The kernel's own record of the packet's flow, which is forgotten afterwards. */
function valueOf(made: Made): number {
  const found = net.connections().filter(({ original: { source, destination, protocol, sourcePort: port, icmp } }) => {
    const same = source === ipOf(made.source) && destination === ipOf(made.destination) && protocol === made.protocol;
    return (
      same && (port === undefined || port === made.sourcePort) && (icmp === undefined || icmp.id === made.sourcePort)
    );
  });
  const [connection] = found;
  if (connection === undefined || found.length > 1)
    throw new Error(`${found.length} connections for ${JSON.stringify(made)}`);
  net.forgetConnection(connection);
  return markValue(connection.mark);
}

function hostOf(ip: ReturnType<typeof ipOf>, hosts: readonly string[]): string | undefined {
  const name = Object.entries(KNOWN).find(([text]) => ipOf(text) === ip)?.[1];
  return name !== undefined && hosts.some((pattern) => matchesHost(pattern, name)) ? name : undefined;
}

/** What DNS would have taught. */
function learn(patterns: readonly string[]): void {
  if (patterns.length === 0) return;
  for (const [address, name] of Object.entries(KNOWN)) net.answer(name, address);
}
