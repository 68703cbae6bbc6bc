/**
 * Every accepted field does something: each leaf of each schema, found by walking the schemas, is changed in a
 * configuration where everything is written, and the desired state (or an allocation) must change with it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Facts } from "../../daemon/desired/facts.ts";
import { documentSchema } from "../../resources/kinds.ts";
import { KIND_NAMES, type Kind } from "../../resources/names.ts";
import { settingsSchema } from "../../resources/settings.ts";
import { at, leaves, type Path, places, replaced } from "./leaves.ts";
import { API, DOCUMENTS, FACTS, SETTINGS, world } from "./world.ts";
import { ROUTED, ROUTERS } from "./world-routing.ts";

/** Shown to people and selected by, without influence on what runs: test/cli/run.test.ts has them. */
const SHOWN = new Set(["metadata.labels.*", "metadata.annotations.*"]);

/** Settings that the daemon itself reads, outside the desired state; `reads` below looks for the place. */
const READ_BY_THE_DAEMON = [
  "l2.keyFile",
  "dataplane.workers",
  "dataplane.engine",
  "dataplane.user",
  "admin.socket",
  "metrics.address",
  "metrics.port",
  "health.address",
  "health.port",
  "log.level",
  "log.format",
  "paths.config",
  "paths.state",
  "routing.onStop",
  "routing.drain",
];

/** Values of the same type that some field may take, those that look like the present one first. */
function others(value: unknown, routing: boolean): readonly unknown[] {
  if (typeof value === "boolean") return [!value];
  if (typeof value === "number") return [value + 1, 91, value - 1, value * 2, value / 2, 200, 8080];
  const words = [...(routing ? ROUTING_OTHERS : []), ...OTHERS].filter((each) => each !== value);
  const alike = (each: string): boolean => looks(each) === looks(String(value));
  return [...words.filter(alike), ...words.filter((each) => !alike(each))];
}
const looks = (word: string): string => LOOKS.find(([, pattern]) => pattern.test(word))?.[0] ?? "word";
const LOOKS: readonly (readonly [string, RegExp])[] = [
  ["duration", /^\d+(ms|s|m|h)$/],
  ["prefix", /^[\da-f.:]+\/\d+$/],
  ["IPv4", /^[\d.]+$/],
  ["large community", /^\d+:\d+:\d+$/],
  ["community", /^\d+:\d+$/],
  ["IPv6", /^[\da-f:]+:[\da-f:]*$/],
  ["path", /^\//],
];
const OTHERS = [
  "Exact",
  "RegularExpression",
  "PathPrefix",
  "POST",
  "clf",
  "yield",
  "ipv6",
  "dual",
  "4s",
  "900ms",
  "3Mi",
  "other",
  "p",
  "api2",
  "edge",
  "web",
  "http",
  "alt",
  "zz",
  "/elsewhere",
  "default",
  "q",
  "right",
  "*.com",
  "X-Other",
  "192.0.2.77",
  "10.9.9.9",
  "2001:db8::77",
  "198.51.100.3",
  "198.51.100.8/29",
  "api.example.com",
  "*.org",
  "eth2",
  "auto",
  "none",
  "OSPF",
];
const ROUTING_OTHERS = [
  "own",
  "all",
  "out",
  "ours",
  "ours2",
  "slow",
  "fast",
  "tor2",
  "external-1",
  "sha1",
  "md5",
  "hmac-sha1",
  "hmac-sha384",
  "aes-128-cmac-96",
  "passive",
  "external",
  "accept",
  "point-to-point",
  "normal",
  "/s/two",
  "1s",
  "reject",
  "65000:77",
  "65000:7:7",
  "rt:65000:7",
  "203.0.113.0/25",
  "2001:db8:7::/48",
  "2001:db8:a::11",
  "203.0.113.11",
  "no-advertise",
  "70s",
  "30s",
  "6s",
  "3h",
  "fe80::7",
  "192.0.2.0/25",
];

/** What some fields may be changed to, so that a reference still leads somewhere. */
const MORE: readonly (typeof DOCUMENTS)[string][] = [
  { kind: "ProxyIPPool", metadata: { name: "q" }, spec: { cidrs: ["198.51.100.200/30", "2001:db8:1::/64"] } },
  {
    kind: "ProxyVIP",
    metadata: { name: "six" },
    spec: { mode: "L2ARP", addressFamily: "ipv6", ports: [22], l2: { interface: "eth1" } },
  },
  { kind: "ProxyVIP", metadata: { name: "plain" }, spec: { mode: "L2ARP", address: "192.0.2.32", ports: [90] } },
  { kind: "ProxyVIP", metadata: { name: "left" }, spec: { mode: "L2ARP", address: "192.0.2.30", ports: [90] } },
  { kind: "ProxyVIP", metadata: { name: "right" }, spec: { mode: "L2ARP", address: "192.0.2.31", ports: [90] } },
  {
    kind: "ProxyGateway",
    metadata: { name: "turns" },
    spec: {
      vipRef: "left",
      listeners: [
        { name: "a", port: 90, protocol: "HTTP" },
        { name: "b", port: 91, protocol: "HTTP" },
      ],
    },
  },
  {
    kind: "ProxyGateway",
    metadata: { name: "web" },
    spec: { listeners: [{ name: "http", port: 92, protocol: "HTTP" }] },
  },
  { kind: "ProxyBackend", metadata: { name: "api" }, spec: { endpoints: [{ address: "10.0.0.3", port: 80 }] } },
];
const BASE = [...Object.values(DOCUMENTS), ...MORE];
/** What routing makes of virtual IPs depends on nothing else: small worlds for it, because they are made often. */
const BASES = [BASE, ...ROUTED];
const NONE: readonly object[] = [];
const FULL = { ...SETTINGS, ...ROUTERS };
/** Some fields matter only when something is down. */
const HOSTS: readonly Facts[] = [
  { ...FACTS, listening: new Set([...FACTS.listening, "default/turns/a@192.0.2.30:90"]) },
  { ...FACTS, health: new Map([...FACTS.health, ["shop/api|10.0.0.1:8080", false]]) },
];

/** What comes out on each host; undefined where the configuration is refused. */
type Shown = readonly (string | undefined)[];
function shownOn(documents: readonly object[], settings: object, facts: Facts): string | undefined {
  const made = world(documents, settings, facts);
  return "why" in made ? undefined : JSON.stringify([made.desired, made.allocated]);
}
const shown = (documents: readonly object[], settings: object): Shown =>
  HOSTS.map((facts) => shownOn(documents, settings, facts));
const BEFORE = BASES.map((each) => shown(each, SETTINGS));
/** Names that others refer to: another name is refused where they do. */
const NAMES = new Set(["bgp.prefixLists[].name", "bgp.policies[].name", "bfd.profiles[].name"]);

/** Whether the changed configuration is accepted and something else comes out on some host. */
function consumed(documents: readonly object[], settings: object, before: Shown | undefined): boolean {
  return HOSTS.some((facts, host) => {
    const after = shownOn(documents, settings, facts);
    return after !== undefined && after !== before?.[host];
  });
}
/** What the schema refuses need not be loaded to be refused. */
const isDocument = (document: (typeof BASE)[number]): boolean =>
  documentSchema(document.kind as Kind).safeParse({ apiVersion: API, ...document }).success;
const isSettings = (settings: object): boolean => settingsSchema.safeParse(settings).success;

/** Those of links and sites have a world of their own: consumed-wan.test.ts. */
const WAN_KINDS: readonly Kind[] = ["ProxyWANLink", "ProxyWANPolicy", "NovaEdgeRemoteCluster"];
const KINDS = (Object.keys(KIND_NAMES) as Kind[]).filter((kind) => !WAN_KINDS.includes(kind));

describe.each(KINDS)("%s: every field changes the desired state", (kind) => {
  const fields = leaves(documentSchema(kind)).filter((leaf) => !SHOWN.has(leaf));
  it("the configurations to begin with are accepted", () => expect(BEFORE.flat()).not.toContain(undefined));
  it("has fields", () => expect(fields.length).toBeGreaterThan(2));
  it.each(fields)("%s", (leaf) => {
    const routing = /^spec\.(bgpConfig|ospfConfig|bfd)/.test(leaf);
    const found = BASES.flatMap((base, which) =>
      routing && which === 0
        ? []
        : base.flatMap((document, index) =>
            document.kind === kind
              ? places(document, leaf).map((path) => ({ base, which, document, index, path }))
              : [],
          ),
    );
    expect(found, "not written in world.ts").not.toEqual([]);
    const works = found.some(({ base, which, document, index, path }) =>
      others(at(document, path), routing).some((value) => {
        const changed = replaced(document, path, value) as typeof document;
        return isDocument(changed) && consumed(base.with(index, changed), SETTINGS, BEFORE[which]);
      }),
    );
    expect(works, `changing ${leaf} changes nothing`).toBe(true);
  });
});

describe("settings: every field changes the desired state, or the daemon reads it", () => {
  const fields = leaves(settingsSchema).filter((leaf) => !leaf.startsWith("sdwan."));
  const isRouting = (leaf: string): boolean => /^(bgp|ospf|bfd)\./.test(leaf);
  const before = { routing: shown(NONE, FULL), rest: shown(BASE, FULL) };
  it("the settings to begin with are accepted", () => expect(Object.values(before).flat()).not.toContain(undefined));
  it.each(fields.filter((leaf) => !READ_BY_THE_DAEMON.includes(leaf)))("%s", (leaf) => {
    const found = places(FULL, leaf);
    expect(found.length > 0 || leaf === "l2.witnesses", "not written in world.ts").toBe(true);
    const paths: readonly Path[] = found.length > 0 ? found : [leaf.split(".")];
    const [documents, was] = isRouting(leaf) ? [NONE, before.routing] : [BASE, before.rest];
    const works = paths.some((path) =>
      others(at(FULL, path), isRouting(leaf)).some((value) => {
        const settings = replaced(FULL, path, value) as object;
        if (!isSettings(settings)) return false;
        return NAMES.has(leaf) ? "why" in world(documents, settings) : consumed(documents, settings, was);
      }),
    );
    expect(works, `changing ${leaf} changes nothing`).toBe(true);
  });
  it("the list names nothing that is gone", () => {
    expect(READ_BY_THE_DAEMON.filter((leaf) => !fields.includes(leaf))).toEqual([]);
  });
  it.each(READ_BY_THE_DAEMON)("%s is read", (leaf) => {
    const [group = "", field = ""] = leaf.split(".");
    const sources = readdirSync("daemon", { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && name !== "flags.ts")
      .map((name) => readFileSync(join("daemon", name), "utf8"))
      .concat(readFileSync("resources/secret-files.ts", "utf8"));
    const direct = new RegExp(`\\b${group}\\.${field}\\b`);
    const unpacked = new RegExp(`\\{[^}]*\\b${field}\\b[^}]*\\} = [^;]*\\b${group}\\b`);
    expect(
      sources.some((text) => direct.test(text) || unpacked.test(text)),
      `nothing in daemon/ reads ${leaf}`,
    ).toBe(true);
  });
});
