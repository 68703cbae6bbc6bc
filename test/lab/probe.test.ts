import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import { Outages, outagesOf } from "../../lab/probe/outage.ts";
import { decodeSamples, encodeSamples } from "../../lab/probe/samples.ts";
import { probe } from "../../lab/probe.ts";

describe("an outage", () => {
  const sent = (...answers: readonly (number | undefined)[]) =>
    answers.map((after, n) => ({ sentAt: n, answeredAt: after === undefined ? undefined : n + after }));
  test("lasts from the first lost probe to the sending of the next answered one", () => {
    const no = undefined;
    expect(outagesOf(sent(0.1, no, no, no, 0.1, 0.1), 50)).toEqual([{ from: 1, to: 4, probes: 3 }]);
  });
  test("is not hidden by answers that came late", () => {
    expect(outagesOf(sent(0.1, 60, 59, 0.2), 50)).toEqual([{ from: 1, to: 3, probes: 2 }]);
  });
  test("has no end while it lasts", () => {
    expect(outagesOf(sent(0.1, undefined), 50)).toEqual([{ from: 1, to: undefined, probes: 1 }]);
  });
  test("is not made by a prober that stood still", () => {
    expect(outagesOf([...sent(0.1, 0.1), { sentAt: 500, answeredAt: 501 }], 50)).toEqual([]);
  });
  test("the worst is the longest that ended", () => {
    const outages = new Outages(50);
    for (const each of sent(undefined, 1, undefined, undefined, 1, undefined)) outages.add(each);
    expect(outages.worst).toEqual({ from: 2, to: 4, probes: 2 });
    expect(outages.current?.from).toBe(5);
  });
});

describe("samples", () => {
  const sample = fc.record({
    sentAt: fc.double({ min: 1, max: 1e13, noNaN: true }),
    answeredAt: fc.option(fc.double({ min: 1, max: 1e13, noNaN: true }), { nil: undefined }),
    target: fc.nat(3),
    by: fc.option(fc.constantFrom("b1", "b2", "β3"), { nil: undefined }),
  });
  test("what is written is read", () => {
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const read = decodeSamples(encodeSamples(samples));
        expect(read.ok && read.value).toEqual(samples);
      }),
    );
  });
  test("survive any octets", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => void decodeSamples(Buffer.from(octets))));
  });
});

const pair = described({
  hosts: {
    client: { interfaces: { eth0: ["192.0.2.1/24", "2001:db8::1/64"] } },
    server: { interfaces: { eth0: ["192.0.2.2/24", "2001:db8::2/64"] } },
  },
  switches: [],
  links: [{ from: "client:eth0", to: "server:eth0" }],
});
const program = (name: string): string => new URL(`../../lab/programs/${name}.ts`, import.meta.url).pathname;

describe.skipIf(process.getuid?.() !== 0)("a prober (needs root)", () => {
  test("measures an outage over UDP, both families, each its own", async () => {
    await using lab = await buildLab(pair);
    const responder = lab.host("server").node(program("responder"), ["s1", "7", "192.0.2.2", "2001:db8::2"]);
    await responder.says(/"responding"/);
    await using prober = await probe(lab.host("client"), {
      urls: ["udp://192.0.2.2:7", "udp://[2001:db8::2]:7"],
      timeout: 300,
      late: 200,
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    lab.cut("client:eth0", "silent");
    await new Promise((resolve) => setTimeout(resolve, 300));
    lab.restore("client:eth0");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const probed = await prober.stop();
    const { report } = probed;
    expect(Object.keys(report.by)).toEqual(["s1"]);
    expect(report.sent).toBe(report.answered + report.failed);
    for (const target of [0, 1]) {
      expect(probed.outages(target).length).toBe(1);
      const { from = 0, to = 0 } = probed.outages(target)[0] ?? {};
      expect(to - from).toBeGreaterThan(250);
    }
  });

  test("asks over HTTP on a new connection each time, and tells errors from answers", async () => {
    await using lab = await buildLab(pair);
    const server = lab.host("server").node(program("backend"), ["b1", "8000"]);
    await server.says(/listening/);
    const ask = async (path: string) => {
      await using prober = await probe(lab.host("client"), {
        urls: [`http://192.0.2.2:8000${path}`, `http://[2001:db8::2]:8000${path}`],
        every: 10,
      });
      await new Promise((resolve) => setTimeout(resolve, 150));
      return (await prober.stop()).report;
    };
    const good = await ask("/");
    expect(good.answered).toBeGreaterThan(5);
    expect([good.by, good.failed]).toEqual([{ b1: good.answered }, 0]);
    server.signal("SIGUSR2");
    const failing = await ask("/health");
    expect([failing.answered, failing.failures]).toEqual([0, { "503": failing.failed }]);
    await server[Symbol.asyncDispose]();
    const refused = await ask("/");
    expect([refused.answered, refused.failures]).toEqual([0, { "errno 111": refused.failed }]);
  });
});
