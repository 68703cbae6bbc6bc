import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, loadSettings, nodeNameFrom } from "../../resources/settings.ts";

const load = (content: string): ReturnType<typeof loadSettings> => loadSettings({ file: "novaedge.yaml", content });

describe("the node's name", () => {
  it.each<[string | undefined, string, string | undefined]>([
    [undefined, "Edge-1.Example", "edge-1.example"],
    ["one", "two", "one"],
    [undefined, "a_b", undefined],
    ["Upper", "two", undefined],
    [undefined, "a".repeat(64), undefined],
  ])("%j on host %j", (written, hostname, expected) => {
    const name = nodeNameFrom(written, hostname);
    expect(name.ok ? name.value : undefined).toBe(expected);
  });
});

describe("settings of a node", () => {
  it("an empty file means the defaults", () => {
    expect(load("# nothing\n")).toEqual({ settings: DEFAULT_SETTINGS, diagnostics: [] });
    const { l2, metrics, health, paths, node } = DEFAULT_SETTINGS;
    expect(l2.heartbeat).toEqual({ interval: 100, multiplier: 3, port: 9477 });
    expect([metrics.port, health.port, paths.config, node.priority]).toEqual([9090, 8080, "/etc/novaedge/conf.d", 100]);
  });
  it("reads what is written", () => {
    const { settings } = load(`
node: {name: edge-1, labels: {rack: a}, priority: 200}
l2:
  heartbeat: {interval: 10ms, multiplier: 5, port: 9999}
  interface: eth1
  peers: [192.0.2.2]
  witnesses: [192.0.2.254, "2001:db8::1"]
dataplane: {workers: 2, engine: epoll, user: nobody}
log: {level: debug, format: json}
`);
    expect(settings?.l2.witnesses).toEqual([0xc00002fe, "2001:db8::1"]);
    expect(settings?.l2.heartbeat.interval).toBe(10);
    expect(settings?.dataplane).toEqual({ workers: 2, engine: "epoll", user: "nobody" });
  });
  it.each<[string, string, string]>([
    ["an unknown field", "l2: {heartbeet: {}}", "FIELD_UNKNOWN"],
    ["an interval below 10 ms", "l2: {heartbeat: {interval: 9ms}}", "VALUE"],
    ["an interval above 1 s", "l2: {heartbeat: {interval: 1001ms}}", "VALUE"],
    ["a witness that is no address", "l2: {witnesses: gateway}", "VALUE"],
    ["an empty list of witnesses", "l2: {witnesses: []}", "VALUE"],
    ["a node name that no heartbeat can carry", `node: {name: ${"a".repeat(64)}}`, "VALUE"],
    [
      "more peers than a heartbeat answers",
      `l2: {peers: [${Array.from({ length: 32 }, (_, n) => `10.0.0.${n + 1}`).join(", ")}]}`,
      "VALUE",
    ],
    ["a fraction of a millisecond", "l2: {heartbeat: {interval: 10.5ms}}", "VALUE"],
    ["workers", "dataplane: {workers: 0}", "VALUE"],
    ["a relative path", "paths: {config: conf.d}", "VALUE"],
    ["one port for two servers", "metrics: {port: 8080}", "CONTRADICTION"],
    ["two documents", "node: {}\n---\nnode: {}", "DUPLICATE"],
    ["a list", "- node", "VALUE"],
    ["no YAML", "a: [", "YAML_SYNTAX"],
  ])("refuses %s", (_what, content, code) => {
    const { settings, diagnostics } = load(content);
    expect(settings).toBe(undefined);
    expect(diagnostics.map((each) => each.code)).toContain(code);
  });
});
