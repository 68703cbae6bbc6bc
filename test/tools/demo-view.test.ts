import { describe, expect, test } from "vitest";
import type { ProbeReport } from "../../lab/probe/messages.ts";
import type { Facts } from "../../tools/demo/facts.ts";
import { plainLine, render, tries } from "../../tools/demo/view.ts";

const report: ProbeReport = {
  sent: 1000,
  answered: 990,
  failed: 10,
  by: { b1: 990 },
  failures: { timeout: 10 },
  latency: { p50: 0.61, p99: 2.04 },
  outage: { now: undefined, last: { from: 88_000, length: 312.4 }, worst: { from: 88_000, length: 312.4 }, count: 1 },
  stalled: 11,
};
const facts: Facts = {
  at: 100_000,
  vips: ["10.77.0.100", "fd77::100"],
  urls: ["http://127.0.0.1:8080/", "http://[::1]:8080/"],
  directory: "/run/novaedge-lab/nv1-1",
  edges: [
    { name: "a", pids: [11, 12, 13], state: "owner", term: 3, generation: 2, why: "elected", restartsAt: undefined },
    {
      name: "b",
      pids: [],
      state: "ended",
      term: undefined,
      generation: undefined,
      why: "SIGKILL",
      restartsAt: 103_500,
    },
  ],
  backends: [
    { name: "b1", pid: undefined, rate: 0, restartsAt: 104_000 },
    { name: "b2", pid: 31, rate: 48.9, restartsAt: undefined },
  ],
  report,
  rate: 99.6,
  events: [{ at: 99_000, edge: "a", name: "vip.moved", text: "from=standby to=owner" }],
};

const text = (of: Facts): string =>
  render(of, { columns: 200, rows: 100, colour: false })
    .map((line) => line.text)
    .join("\n");

describe("the demo's view", () => {
  test("says owner, backends, request rate and outage", () => {
    const all = text(facts);
    expect(all).toContain("edge a    owner        term 3   configuration 2    elected");
    expect(all).toContain("edge b    ended       (back in 4 s)");
    expect(all).toContain("b1 down (back in 4 s)");
    expect(all).toContain("b2 49/s");
    expect(all).toContain("100 answers/s   p50 0.6 ms, p99 2.0 ms   10 of 1000 failed: 10 × timeout");
    expect(all).toContain("outage    last 312 ms (12 s ago)   worst 312 ms");
    expect(all).toContain("00:01:39 a vip.moved from=standby to=owner");
    expect(all).not.toContain("\u001b");
  });
  test("says an outage under way", () => {
    const now = { ...report, outage: { ...report.outage, now: 120 } };
    expect(text({ ...facts, report: now })).toContain("now 120 ms");
  });
  test("offers commands that name what runs now", () => {
    expect(tries(facts).map((each) => each.command)).toEqual([
      "kill -9 11 12 13",
      "kill 31",
      "sed -i '/canary/s/weight: [0-9]*/weight: 300/' /run/novaedge-lab/nv1-1/conf.d/routes.yaml",
      "curl -i http://127.0.0.1:8080/",
      "sh /run/novaedge-lab/nv1-1/novactl-a status",
    ]);
    expect(tries({ ...facts, edges: [] })[0]?.command).toContain("nobody owns");
  });
  test("fits the terminal's width, whose styles do not count, but for commands, which are never cut", () => {
    for (const { text: line, rows } of render(facts, { columns: 30, rows: 100, colour: true })) {
      // oxlint-disable-next-line no-control-regex -- escape sequences begin with one
      const length = line.replaceAll(/\u001b\[[0-9]+m/g, "").length;
      expect(Math.max(1, Math.ceil(length / 30))).toBe(rows);
      if (rows > 1) expect(line).toMatch(/curl|kill|sed|sh /);
    }
  });
  test("fits a low terminal: the commands stay", () => {
    const lines = render(facts, { columns: 80, rows: 21, colour: false });
    expect(lines.reduce((rows, line) => rows + line.rows, 0)).toBeLessThanOrEqual(21);
    const all = lines.map((line) => line.text).join("\n");
    for (const { command } of tries(facts)) expect(all).toContain(command);
    expect(all).toContain("outage ");
  });
  test("without a terminal says a line when something changed, and now and then", () => {
    const first = plainLine(facts, undefined);
    expect(first).toBe(
      "00:01:40 owner a, a owner (configuration 2), b ended (SIGKILL), b1 down, b2 up, outages 1 " +
        "(last 312 ms, worst 312 ms), 100 answers/s (b1 0 b2 49), 10 failed",
    );
    expect(plainLine({ ...facts, at: 100_250 }, facts)).toBeUndefined();
    expect(plainLine({ ...facts, at: 110_250 }, facts)).toBeDefined();
    const [a] = facts.edges;
    if (a === undefined) throw new TypeError("no edge");
    expect(plainLine({ ...facts, at: 100_250, edges: [{ ...a, state: "standby" }] }, facts)).toContain("owner none");
  });
});
