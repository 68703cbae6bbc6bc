/** Control, the wan process and pulse: what each is told of links, tunnels, paths and choices, and what becomes of their words. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SILENT } from "../../../base/log.ts";
import { seconds } from "../../../base/unit.ts";
import { usersOf, WanBasis } from "../../../daemon/desired/wan-facts.ts";
import { Events } from "../../../daemon/events.ts";
import { WanRecords } from "../../../daemon/parts/wan-records.ts";
import { wanStatus } from "../../../daemon/status/wan-status.ts";
import { sdwanSettings } from "../../../resources/sdwan.ts";
import type { Settings } from "../../../resources/settings.ts";
import { decodeRecord } from "../../../sdwan/choose/record.ts";
import type { Decision, PathReport } from "../../../sdwan/steer-plan.ts";
import type { TunnelReport } from "../../../sdwan/underlay-plan.ts";
import { controlWorld, Forgetful, VirtualClock } from "../control-world.ts";
import { DOCUMENTS, linkReport, loaded, policy, SETTINGS, tunnelReports } from "../desired/wan-world.ts";
import { CANDIDATES, FIGURES } from "../wan-answers.ts";
import { API, type Document } from "../world.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "nv-wan-"));
});
afterEach(() => rmSync(state, { recursive: true }));

/** Two sites of one link each on the other side. */
const SMALL: readonly Document[] = [DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[6], DOCUMENTS[8]].filter(
  (each) => each !== undefined,
);
const text = (documents: readonly Document[]): string =>
  documents.map((each) => JSON.stringify({ apiVersion: API, ...each })).join("\n---\n");
const sdwan: Settings["sdwan"] = sdwanSettings.parse((SETTINGS as { readonly sdwan: object }).sdwan);
const EMPTY = text([]);

async function world(more: Partial<Settings["sdwan"]> = {}) {
  const made = controlWorld(text(SMALL), { sdwan: { ...sdwan, ...more } }, new Forgetful(), state);
  const steers = () => made.pulse.sent.flatMap((message) => (message.kind === "steer" ? [message.plan] : []));
  const names = () => made.events.since(0).map(({ name }) => name);
  const tunnels = (all: Partial<TunnelReport> = {}): void => {
    for (const ifname of ["nv-isp1-0", "nv-isp1-0-46", "nv-isp2-0", "nv-isp2-0-46"]) {
      const link = ifname.slice(3, 7);
      for (const tunnel of tunnelReports({ ifname, link, ...all }).values())
        made.underlay.say({ kind: "tunnel", tunnel });
    }
  };
  await made.settle();
  made.underlay.say({ kind: "hello", pid: 2 });
  await made.clock.pass(1);
  return {
    ...made,
    steers,
    names,
    tunnels,
    told: (kind: string) => made.underlay.sent.filter((message) => message.kind === kind),
    report: async () => {
      for (const name of ["isp1", "isp2"]) made.underlay.say({ kind: "link", link: linkReport(name) });
      tunnels();
      await made.clock.pass(1);
    },
  };
}
const pathReport = (id: string, life: PathReport["life"]): PathReport => ({
  id,
  life,
  since: 0,
  figures: FIGURES,
  sent: 1,
  answered: 1,
  refused: {},
  interval: 100,
  octetsPerHour: 1,
});

describe("the wan process", () => {
  it("is started when there are links, told the plan at its hello, and nothing twice", async () => {
    const { told, report, control, clock } = await world();
    expect(told("plan")).toHaveLength(1);
    await report();
    control.changed();
    await clock.pass(1);
    expect(told("plan")).toHaveLength(1);
    expect(control.notReady()).toBeUndefined();
  });
  it("is not ready before it has looked at the links", async () => {
    const { control, report } = await world();
    expect(control.notReady()).toBe("the wan process has not looked at the links");
    await report();
    expect(control.notReady()).toBeUndefined();
  });
  it("ends, and what it made with it, when there are no links any more; pulse has nothing to choose", async () => {
    const { reconfigure, clock, told, report, steers, wan } = await world();
    await report();
    reconfigure(EMPTY);
    await clock.pass(1);
    expect(told("stop")).toEqual([{ kind: "stop", keep: false }]);
    expect(steers().at(-1)).toEqual({ paths: [], choices: [], reflectors: [] });
    expect(wanStatus(wan)).toEqual({ site: undefined, links: [], paths: [], policies: [] });
  });
  it.each([
    ["keep", true, false],
    ["remove", false, true],
  ] as const)("at a stop with onStop: %s", async (onStop, keep, lanes) => {
    const { control, clock, told, report, pulse, planes, underlay } = await world({ onStop });
    await report();
    const times = { handover: seconds(1), withdrawal: seconds(1), linger: seconds(1), grace: seconds(1) };
    const stopped = control.stop(times);
    await clock.pass(2_000);
    for (const plane of planes) plane.on?.ended("exit 0");
    await clock.pass(2_000);
    expect(told("stop")).toEqual([{ kind: "stop", keep }]);
    expect(pulse.sent.at(-1)).toEqual({ kind: "stop", lanes });
    underlay.on?.ended("exit 0");
    pulse.on?.ended("exit 0");
    await stopped;
  });
  it("goes on with what it has while the private key cannot be read", async () => {
    const { reconfigure, clock, told, report, control, steers } = await world();
    await report();
    const before = steers().length;
    writeFileSync(join(state, "wan.key"), "broken");
    reconfigure(text([...SMALL, ...DOCUMENTS.slice(3, 4)]));
    await clock.pass(1);
    expect(control.conditions.list.map(({ code }) => code)).toContain("WAN_KEY");
    expect([told("plan").length, told("stop").length, steers().length]).toEqual([1, 0, before]);
  });
  it("after a crash it is started again and told all of it; what it had said stays", async () => {
    const { underlay, clock, told, report, wan, steers } = await world();
    await report();
    const before = steers().length;
    underlay.on?.ended("signal SIGKILL");
    await clock.pass(500);
    underlay.say({ kind: "hello", pid: 3 });
    await clock.pass(1);
    expect(told("plan")).toHaveLength(2);
    expect(wan.links.size).toBe(2);
    expect(steers()).toHaveLength(before);
  });
});

describe("pulse", () => {
  it("is told of paths when links and tunnels have been reported, so that it undoes nothing of an earlier life", async () => {
    const { steers, report, clock } = await world();
    expect(steers()).toEqual([]);
    await clock.pass(1_000);
    expect(steers()).toEqual([]);
    await report();
    expect(
      steers()
        .at(-1)
        ?.paths.map(({ id }) => id),
    ).toContain("isp1>madrid/isp1");
  });
  it("… but does not wait for ever", async () => {
    const { steers, clock } = await world();
    await clock.pass(3_100);
    expect(steers()).toHaveLength(1);
  });
  it("knows a path's BFD session by the name that pulse has for it", async () => {
    const { steers, report, pulse } = await world();
    await report();
    const plan = pulse.sent.findLast((message) => message.kind === "bfd")?.plan;
    const guards = steers()
      .at(-1)
      ?.paths.flatMap(({ bfd }) => (bfd === undefined ? [] : [bfd]));
    expect(plan?.sessions.map(({ id }) => id)).toEqual(guards);
    expect(guards).toHaveLength(2);
    expect(plan?.sessions[0]).toMatchObject({ peer: "10.255.2.1", ifname: "nv-isp1-0", timing: { desiredMinTx: 50 } });
  });
  it("is told all of it again when it has begun anew", async () => {
    const { steers, report, pulse, clock } = await world();
    await report();
    const before = steers().length;
    pulse.say({ kind: "hello", pid: 9, scheduling: "" });
    await clock.pass(1);
    expect(steers()).toHaveLength(before + 1);
  });
});

describe("what is found out", () => {
  it("a link whose internet is dead is told to the wan process, also to one that begins later", async () => {
    const { pulse, report, told, underlay, clock } = await world();
    await report();
    pulse.say({ kind: "path", report: pathReport("isp1>internet", { kind: "unknown", why: "begun" }) });
    expect(told("internet")).toEqual([]);
    pulse.say({ kind: "path", report: pathReport("isp1>internet", { kind: "dead", why: "no answer" }) });
    pulse.say({ kind: "path", report: pathReport("isp1>madrid/isp1", { kind: "dead", why: "no answer" }) });
    expect(told("internet")).toEqual([{ kind: "internet", link: "isp1", alive: false }]);
    underlay.on?.ended("exit 1");
    await clock.pass(500);
    underlay.say({ kind: "hello", pid: 3 });
    expect(told("internet")).toHaveLength(2);
    pulse.say({ kind: "path", report: pathReport("isp1>internet", { kind: "alive" }) });
    expect(told("internet").at(-1)).toEqual({ kind: "internet", link: "isp1", alive: true });
  });
  it("decisions are events with all candidates, and are counted", async () => {
    const { pulse, report, events, wan } = await world();
    await report();
    const decision: Decision = {
      at: 0,
      choice: "voice→madrid",
      from: "isp2>madrid/isp1",
      to: "isp1>madrid/isp1",
      reason: "dead",
      why: "isp2>madrid/isp1 is dead",
      candidates: CANDIDATES,
    };
    pulse.say({ kind: "decision", decision });
    expect(events.since(0).at(-1)).toMatchObject({
      name: "wan.moved",
      level: "info",
      fields: { choice: "voice→madrid", policy: "voice", reason: "dead", candidates: CANDIDATES },
    });
    pulse.say({ kind: "decision", decision: { ...decision, to: undefined, reason: "none" } });
    expect(events.since(0).at(-1)).toMatchObject({ name: "wan.lost", level: "warn" });
    pulse.say({ kind: "decision", decision: { ...decision, choice: "nv-isp1-0→madrid" } });
    expect(events.since(0).at(-1)).toMatchObject({ name: "wan.moved", level: "debug" });
    expect([...wan.counters.selections]).toEqual([["isp1|lowest-latency", 2]]);
    expect([...wan.counters.failovers]).toEqual([["isp2|isp1", 2]]);
  });
  it("tunnels move once in the log, whatever their counters do", async () => {
    const { tunnels, report, names } = await world();
    await report();
    const moves = (): number => names().filter((name) => name === "wan.tunnel-moved").length;
    const before = moves();
    tunnels({ received: 5, lastHandshake: 7 });
    expect(moves()).toBe(before);
    tunnels({ state: "connecting", why: "no answer" });
    expect(moves()).toBe(before + 4);
  });
  it("conditions: what is down, dead, bad, relayed, spent, and left without a path", async () => {
    const { underlay, pulse, report, control, clock, tunnels } = await world();
    await report();
    const codes = (): readonly string[] => control.conditions.list.map(({ code, subject }) => `${code} ${subject}`);
    expect(codes()).toEqual([]);
    underlay.say({ kind: "link", link: linkReport("isp2", { state: "down", why: "no carrier", quotaSpent: true }) });
    tunnels({ state: "connecting", why: "no answer" });
    pulse.say({ kind: "path", report: pathReport("isp1>madrid/isp1", { kind: "dead", why: "no answer" }) });
    const none = {
      id: "voice→madrid",
      chosen: undefined,
      state: "none",
      why: "none alive",
      since: 0,
      moves: 0,
    } as const;
    pulse.say({ kind: "choice", report: { ...none, candidates: CANDIDATES } });
    await clock.pass(1);
    expect(codes()).toEqual([
      "LINK_DOWN ProxyWANLink/berlin/isp2",
      "NO_PATH choice/voice→madrid",
      "PATH_DEAD path/isp1>madrid/isp1",
      "QUOTA_SPENT ProxyWANLink/berlin/isp2",
    ]);
    await clock.pass(16_000);
    expect(codes()).toContain("TUNNEL_DOWN tunnel/isp1>madrid/isp1");
    expect(codes()).not.toContain("TUNNEL_DOWN tunnel/isp2>madrid/isp1"); // its link is down
    expect(codes()).toContain("PATH_DEAD path/isp1>madrid/isp1");
    tunnels({ state: "connecting", unshaken: true, why: "madrid calls with the public key K, not P" });
    await clock.pass(1);
    expect(codes()).toContain("TUNNEL_NO_HANDSHAKE tunnel/isp1>madrid/isp1");
    expect(codes()).not.toContain("TUNNEL_DOWN tunnel/isp1>madrid/isp1");
    expect(codes()).not.toContain("PATH_DEAD path/isp1>madrid/isp1"); // that follows from it
    const told = control.conditions.list.find(({ code }) => code === "TUNNEL_NO_HANDSHAKE");
    expect(told?.message).toMatch(/madrid calls with the public key K, not P; compare novactl wan keys .* in madrid/);
    tunnels({ via: "oslo" });
    await clock.pass(1);
    expect(codes()).toContain("TUNNEL_RELAYED tunnel/isp1>madrid/isp1");
  });
  it("a path that is bad is a condition when it lasts, and the same one whatever its figures", async () => {
    const { pulse, report, control, clock, names } = await world();
    await report();
    pulse.say({ kind: "path", report: pathReport("isp1>madrid/isp1", { kind: "alive" }) });
    const bad = async (loss: string, verdict: "bad" | "good" = "bad"): Promise<void> => {
      const why = `loss ${loss} % over 1 %`;
      const candidates = CANDIDATES.map((each) => ({ ...each, verdict, why }));
      const choice = { chosen: undefined, state: "least-bad", why: "", since: 0, moves: 0 } as const;
      pulse.say({ kind: "choice", report: { id: "voice→madrid", ...choice, candidates } });
      await clock.pass(3_000);
    };
    const messages = (): readonly string[] => control.conditions.list.map(({ message }) => message);
    await bad("1.2");
    await bad("1.2", "good");
    await bad("3");
    expect(messages()).toEqual([]);
    await bad("4.1");
    expect(messages()).toEqual(["loss over 1 %; bad for voice→madrid"]);
    await bad("5.9");
    expect(names().filter((name) => name === "condition.raised")).toHaveLength(1);
  });
  it("conditions speak of the policies alone, whatever these are called", async () => {
    const { pulse, report, control, clock, reconfigure } = await world();
    reconfigure(text([...SMALL, policy("nvr", {}, { match: { ports: [554] } })]));
    await report();
    pulse.say({ kind: "path", report: pathReport("isp1>madrid/isp1", { kind: "alive" }) });
    const none = { chosen: undefined, state: "none", why: "none alive", since: 0, moves: 0 } as const;
    const candidates = CANDIDATES.map((each) => ({ ...each, verdict: "bad" as const, why: "loss 3 % over 2 %" }));
    for (const id of ["nv-isp1-0→madrid", "voice→madrid", "nvr→madrid"])
      pulse.say({ kind: "choice", report: { id, ...none, candidates } });
    for (let passed = 0; passed < 5; passed++) await clock.pass(3_000);
    const subjects = control.conditions.list.map(({ code, subject }) => `${code} ${subject}`);
    expect(subjects).toEqual([
      "NO_PATH choice/nvr→madrid",
      "NO_PATH choice/voice→madrid",
      "PATH_BAD path/isp1>madrid/isp1",
    ]);
    expect(control.conditions.list.at(-1)?.message).toBe("loss over 2 %; bad for voice→madrid, nvr→madrid");
  });
  it("what was measured is handed to the records", async () => {
    const { pulse, report, recorded } = await world();
    await report();
    pulse.say({ kind: "path", report: pathReport("isp1>madrid/isp1", { kind: "alive" }) });
    expect(recorded).toEqual(["isp1>madrid/isp1"]);
  });
});

describe("what is kept", () => {
  const events = new Events(SILENT, () => 0);
  it("the private key, made once and readable by root alone; values of marks over restarts", () => {
    const { settings, resources } = loaded(DOCUMENTS, SETTINGS);
    const first = new WanBasis(state, events).of(settings, resources);
    const file = join(state, "wan.key");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(first?.shared.size).toBe(2);
    const fewer = loaded(DOCUMENTS.slice(0, -1), SETTINGS);
    const between = new WanBasis(state, events);
    between.of(fewer.settings, fewer.resources);
    const again = new WanBasis(state, events).of(settings, resources);
    expect(again?.keys).toEqual(first?.keys);
    for (const [key, value] of first?.marks ?? []) expect(again?.marks.get(key)).toBe(value);
  });
  it("a question about another configuration keeps nothing", () => {
    const { settings, resources } = loaded(DOCUMENTS, SETTINGS);
    const basis = new WanBasis(state, events);
    expect(basis.preview(settings, resources)?.marks.size).toBeGreaterThan(0);
    expect(readdirSync(state)).not.toContain("wan-marks.json");
  });
  it("a file of marks that is no such file is said to be so, and begun anew", () => {
    writeFileSync(join(state, "wan-marks.json"), "{");
    const { settings, resources } = loaded(DOCUMENTS, SETTINGS);
    const seen = new Events(SILENT, () => 0);
    const facts = new WanBasis(state, seen).of(settings, resources);
    expect(seen.since(0).map(({ name }) => name)).toContain("wan.marks.unreadable");
    expect(facts?.marks.size).toBeGreaterThan(0);
    expect(JSON.parse(readFileSync(join(state, "wan-marks.json"), "utf8"))).toHaveProperty("marks");
  });
  it("a key that cannot be used: a condition, no tunnels, and another try at the next pass", () => {
    writeFileSync(join(state, "wan.key"), "not a key\n");
    const { settings, resources } = loaded(DOCUMENTS, SETTINGS);
    const basis = new WanBasis(state, events);
    expect(basis.of(settings, resources)?.keys).toBeUndefined();
    expect(basis.conditions().map(({ code }) => code)).toEqual(["WAN_KEY"]);
    expect(basis.conditions()[0]?.message).not.toContain("not a key");
    rmSync(join(state, "wan.key"));
    expect(basis.of(settings, resources)?.keys).toBeDefined();
    expect(basis.conditions()).toEqual([]);
  });
  it("users by name, from passwd(5)", () => {
    expect([...usersOf("root:x:0:0::/:/bin/sh\nbroken\nbackup:x:34:34::/:/x\n")]).toEqual([
      ["root", 0],
      ["backup", 34],
    ]);
  });
});

describe("records of figures", () => {
  const HOUR = 3_600_000;
  it("are written by hour, read since a time, and forgotten after a week", async () => {
    let now = 1_000 * HOUR;
    const clock = new VirtualClock();
    const seen = new Events(SILENT, () => now);
    const records = new WanRecords({ directory: join(state, "figures"), clock, wall: () => now, events: seen });
    const add = (life: PathReport["life"]): void => records.add(pathReport("a>b/c", life));
    add({ kind: "alive" });
    now += HOUR;
    add({ kind: "dead", why: "no answer" });
    await records.flush();
    expect(readdirSync(join(state, "figures"))).toEqual(["1000.jsonl", "1001.jsonl"]);
    const files = await records.files(1_001 * HOUR);
    expect(files).toHaveLength(1);
    const [line = ""] = readFileSync(files[0] ?? "", "utf8").split("\n");
    expect(decodeRecord(line)).toMatchObject({ ok: true, value: { path: "a>b/c", at: now, life: { kind: "dead" } } });
    now += 167.5 * HOUR;
    add({ kind: "alive" });
    await records.flush();
    expect(readdirSync(join(state, "figures"))).toEqual(["1001.jsonl", "1168.jsonl"]);
  });
  it("that cannot be written are said once, and cost nothing else", async () => {
    const clock = new VirtualClock();
    const seen = new Events(SILENT, () => 0);
    writeFileSync(join(state, "file"), "");
    const records = new WanRecords({ directory: join(state, "file"), clock, wall: () => clock.now(), events: seen });
    records.add(pathReport("a>b/c", { kind: "alive" }));
    await records.flush();
    records.add(pathReport("a>b/c", { kind: "dead", why: "x" }));
    await records.flush();
    expect(seen.since(0).map(({ name }) => name)).toEqual(["wan.figures-not-saved"]);
  });
});
