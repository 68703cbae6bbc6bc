/** Secrets in files of their own, and a configuration that is shown without any. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SILENT } from "../../../base/log.ts";
import { Live, type LiveParts, readKeyed } from "../../../daemon/config/live.ts";
import { placesOf } from "../../../daemon/config/places.ts";
import { WanBasis } from "../../../daemon/desired/wan-facts.ts";
import { Events } from "../../../daemon/events.ts";
import { type Flags, parseCommand } from "../../../daemon/flags.ts";
import { RoutingFile } from "../../../daemon/parts/routing-memory.ts";
import { generateSiteKeys } from "../../../daemon/wan-keys.ts";

const root = mkdtempSync(join(tmpdir(), "nv-secrets-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

function flagsOf(dir: string): Flags {
  const command = parseCommand(["run", "--config", dir, "--node-name", "one"]);
  if (!command.ok || command.value.kind !== "run") throw new TypeError("wrong usage");
  return command.value.flags;
}
/** A directory with settings and one virtual IP. */
function configuration(settings: string, vip = ""): { readonly dir: string; readonly flags: Flags } {
  const dir = join(root, String(count++));
  const write = (name: string, text: string): void => writeFileSync(join(dir, name), text);
  mkdirSync(join(dir, "conf.d"), { recursive: true });
  write("novaedge.yaml", settings.replaceAll("DIR", dir));
  write("conf.d/a.yaml", vip.replaceAll("DIR", dir));
  return { dir, flags: flagsOf(dir) };
}
const PEER = "bgp: {asn: 65001, peers: [{name: a, address: 10.0.0.1, asn: 65000, passwordFile: DIR/key}]}";
const VIP = (key: string): string => `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: {name: v}
spec: {mode: OSPF, address: 192.0.2.1, ports: [80], ospfConfig: {authType: md5, authKey: ${key}}}
`;
const SDWAN = "sdwan: {site: berlin, overlayCIDR: 10.255.1.0/24}\n";
const SITES = `apiVersion: novaedge.io/v1alpha1
kind: ProxyWANLink
metadata: {name: isp1}
spec: {site: berlin, interface: eth1, provider: acme, bandwidth: 1Gbps}
---
apiVersion: novaedge.io/v1alpha1
kind: NovaEdgeRemoteCluster
metadata: {name: madrid}
spec:
  clusterName: madrid
  overlayCIDR: 10.255.2.0/24
  connection: {tunnel: {wireGuard: {publicKey: ${generateSiteKeys().publicKey}, endpoint: "192.0.2.1:51820"}}}
`;
const read = ({ dir, flags }: ReturnType<typeof configuration>): ReturnType<typeof readKeyed> =>
  readKeyed(placesOf(dir), flags);

describe("secrets in files", () => {
  it("are read with the configuration, without the end of their line", () => {
    const made = configuration(PEER);
    writeFileSync(join(made.dir, "key"), "hush\n", { mode: 0o600 });
    const outcome = read(made);
    expect(outcome.ok && [...outcome.value.secrets.values()]).toEqual(["hush"]);
  });
  it.each<[string, (file: string) => void, string]>([
    ["missing", () => undefined, "a secret cannot be read: no such file"],
    [
      "empty",
      (file) => writeFileSync(file, "\n", { mode: 0o600 }),
      "not a secret of 1 to 80 visible characters in one line",
    ],
    [
      "two lines",
      (file) => writeFileSync(file, "a\nb\n", { mode: 0o600 }),
      "not a secret of 1 to 80 visible characters in one line",
    ],
    [
      "readable by everybody",
      (file) => {
        writeFileSync(file, "hush");
        chmodSync(file, 0o644);
      },
      "the secret is readable by everybody",
    ],
  ])("%s: the configuration is refused, and the file is named", (_what, prepare, message) => {
    const made = configuration(PEER);
    const file = join(made.dir, "key");
    prepare(file);
    const outcome = read(made);
    expect(!outcome.ok && outcome.error.map((each) => [each.file, each.code, each.message])).toEqual([
      [file, "FILE_READ", expect.stringContaining(message)],
    ]);
  });
  it("virtual IPs for routers need no key of a segment", () => {
    expect(read(configuration("{}", VIP("one"))).ok).toBe(true);
  });
  it("a virtual IP that contradicts the settings refuses the configuration", () => {
    const area = "ospf: {v2: {areas: [{id: 0, interfaces: [{name: eth0}]}]}}";
    const outcome = read(configuration(area, VIP("one")));
    expect(!outcome.ok && outcome.error.map(({ code }) => code)).toEqual(["CONTRADICTION", "CONTRADICTION"]);
  });
});

describe("the configuration in force", () => {
  function live(made: ReturnType<typeof configuration>, siteKey?: LiveParts["siteKey"]): Live {
    const first = read(made);
    if (!first.ok) throw new TypeError(JSON.stringify(first.error));
    const events = new Events(SILENT, () => 0);
    return new Live(first.value, {
      places: placesOf(made.dir),
      flags: made.flags,
      events,
      wall: () => 0,
      changed: () => undefined,
      ...(siteKey === undefined ? {} : { siteKey }),
    });
  }
  it("another secret in the same file is a change", () => {
    const made = configuration(PEER);
    writeFileSync(join(made.dir, "key"), "one", { mode: 0o600 });
    const running = live(made);
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: false, changes: [] } });
    writeFileSync(join(made.dir, "key"), "two", { mode: 0o600 });
    const changes = [`secret in ${join(made.dir, "key")}`];
    expect(running.reload(true)).toMatchObject({ ok: true, value: { changed: true, changes } });
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: true, changes, generation: 2 } });
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: false, changes: [], generation: 2 } });
  });
  it("another private key of the site in its file is a change, and the file is named; none is made by asking", () => {
    const made = configuration("sdwan: {site: berlin, overlayCIDR: 10.255.1.0/24, privateKeyFile: DIR/wan.key}", SITES);
    const file = join(made.dir, "wan.key");
    const basis = new WanBasis(made.dir, new Events(SILENT, () => 0));
    const running = live(made, ({ settings, resources }) => basis.siteKey(settings, resources));
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: false } });
    expect(existsSync(file)).toBe(false);
    const follow = (): void => void basis.of(running.current.settings, running.current.resources);
    follow();
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: false } });
    follow();
    const { privateKey, publicKey } = generateSiteKeys();
    writeFileSync(file, privateKey, { mode: 0o600 });
    const changes = [`private key of the site: ${file}, its public key is ${publicKey} now`];
    expect(running.reload(true)).toMatchObject({ ok: true, value: { changed: true, changes } });
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: true, changes } });
    // Before anybody has followed: what was said is not said again.
    expect(running.reload(false)).toMatchObject({ ok: true, value: { changed: false } });
    follow();
    rmSync(file);
    expect(running.reload(true)).toMatchObject({ ok: true, value: { changes: [expect.stringContaining("is gone")] } });
  });
  it("resources and settings are named", () => {
    const made = configuration(`${SDWAN}bgp: {asn: 65001}`, SITES);
    const running = live(made);
    writeFileSync(join(made.dir, "novaedge.yaml"), `${SDWAN}bgp: {asn: 65002}\n`);
    writeFileSync(join(made.dir, "conf.d", "a.yaml"), SITES.replace("1Gbps", "2Gbps").split("---")[0] ?? "");
    const answer = running.reload(false);
    expect(answer.ok && answer.value.changes).toEqual([
      "settings: bgp.asn",
      "ProxyWANLink/default/isp1 configured",
      "NovaEdgeRemoteCluster/default/madrid deleted",
    ]);
  });
  it("routing follows the files at once", () => {
    const made = configuration("bgp: {asn: 65001}");
    const running = live(made);
    writeFileSync(join(made.dir, "novaedge.yaml"), "bgp: {asn: 65002}\nrouting: {onStop: keep}\n");
    running.reload(false);
    expect([running.current.settings.bgp?.asn, running.current.settings.routing.onStop]).toEqual([65_002, "keep"]);
    expect(running.conditions()).toEqual([]);
  });
  it("a diff shows that a secret differs, and neither of the two", () => {
    const running = live(configuration("{}", VIP("first")));
    const diff = running.diff("new.yaml", VIP("second"));
    expect(JSON.stringify(diff)).not.toMatch(/first|second/);
    expect(diff.ok && diff.value.changes[0]?.fields).toEqual([
      { path: "spec.ospfConfig.authKey", before: "(hidden)", after: "(hidden)" },
    ]);
    const whole = running.diff(
      "new.yaml",
      VIP("third").replace("name: v", "name: w").replace("192.0.2.1", "192.0.2.2").replace("third", "first"),
    );
    expect(JSON.stringify(whole)).not.toMatch(/first/);
  });
  it("a removal that would leave a virtual IP without any peer is refused before anything is written", () => {
    const bgp = (name: string, address: string, config: string): string =>
      `---\napiVersion: novaedge.io/v1alpha1\nkind: ProxyVIP\nmetadata: {name: ${name}}\nspec: {mode: BGP, address: ${address}, ports: [80], bgpConfig: ${config}}\n`;
    const made = configuration(
      "bgp: {asn: 65001}",
      bgp("a", "192.0.2.1", "{peers: [{address: 10.0.0.1, as: 65000}]}") + bgp("b", "192.0.2.2", "{}"),
    );
    const running = live(made);
    const refused = running.remove({ kind: "vip", namespace: "", name: "a", dryRun: false });
    expect(refused).toMatchObject({ ok: false, error: { code: "INVALID" } });
    expect(running.reload(true)).toMatchObject({ ok: true, value: { changed: false } });
  });
});

describe("what routing remembers", () => {
  const events = new Events(SILENT, () => 0);
  it("that it ran in this boot, until it is ended; the router id stays", () => {
    const file = join(root, "state", "routing.json");
    expect(new RoutingFile(file, "boot-1", events).wasRunning).toBe(false);
    new RoutingFile(file, "boot-1", events).keep(true, "10.0.0.7");
    expect(new RoutingFile(file, "boot-1", events)).toMatchObject({ wasRunning: true, routerId: "10.0.0.7" });
    expect(new RoutingFile(file, "boot-2", events)).toMatchObject({ wasRunning: false, routerId: "10.0.0.7" });
    new RoutingFile(file, "boot-1", events).keep(false, "10.0.0.7");
    expect(new RoutingFile(file, "boot-1", events)).toMatchObject({ wasRunning: false, routerId: "10.0.0.7" });
  });
  it("what it cannot read starts it cold", () => {
    const file = join(root, "broken.json");
    writeFileSync(file, "{");
    expect(new RoutingFile(file, "boot-1", events)).toMatchObject({ wasRunning: false, routerId: undefined });
  });
});
