/** What host names of classes are learnt from, and what teaches nothing. */
import { describe, expect, test } from "vitest";
import { formatIp } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import { decodeDns } from "../../../netstack/wire/dns.ts";
import { Learner, matchesHost, type Overheard } from "../../../sdwan/steer/learn.ts";
import { type DnsText, dnsMessage } from "./dns-messages.ts";
import { ipOf } from "./plans.ts";

const NOW = instant(1000);
const ASKED: DnsText = { id: 7, name: "www.example.com", type: 1, response: false, answers: [] };
const ANSWER: DnsText = {
  ...ASKED,
  response: true,
  answers: [{ name: "www.example.com", type: 1, ttl: 3600, data: "192.0.2.1" }],
};

function heard(text: DnsText, more: Partial<Overheard> = {}): Overheard {
  const decoded = decodeDns(dnsMessage(text));
  if (!decoded.ok) throw new TypeError(decoded.error.kind);
  const [client, server] = [
    { ip: ipOf("10.1.0.2"), port: 4000 },
    { ip: ipOf("192.0.2.53"), port: 53 },
  ];
  const [from, to] = text.response ? [server, client] : [client, server];
  return {
    source: from.ip,
    sourcePort: from.port,
    destination: to.ip,
    destinationPort: to.port,
    message: decoded.value,
    ...more,
  };
}

function learner(...patterns: readonly string[]): Learner {
  const learner = new Learner();
  learner.watch(patterns, NOW);
  return learner;
}
const texts = (learner: Learner, at: Instant = NOW): readonly string[] =>
  learner.known(at).map(({ ip }) => formatIp(ip));

describe("learning addresses of host names", () => {
  test("from the answer to a question, for as long as it says", () => {
    const names = learner("www.example.com");
    names.hear(heard(ASKED), NOW);
    const [learnt] = names.hear(heard(ANSWER), NOW);
    expect(learnt).toMatchObject({ ip: ipOf("192.0.2.1"), host: "www.example.com", time: 3_600_000 });
    expect(names.hostOf(ipOf("192.0.2.1"), ["www.example.com"], NOW)).toBe("www.example.com");
    expect(names.hostOf(ipOf("192.0.2.1"), ["other.example.com"], NOW)).toBeUndefined();
    expect(texts(names, instant(3_601_001))).toEqual([]);
  });

  test("programs go on using what has just expired: ten minutes at least, a day at most", () => {
    const names = learner("*.example.com");
    names.hear(heard(ASKED), NOW);
    const ttl = (seconds: number): number | undefined =>
      names.hear(
        heard({ ...ANSWER, answers: [{ name: ASKED.name, type: 1, ttl: seconds, data: "192.0.2.1" }] }),
        NOW,
      )[0]?.time;
    expect([ttl(0), ttl(601), ttl(10_000_000)]).toEqual([600_000, 601_000, 86_400_000]);
  });

  test("an alias anywhere in the chain counts, one that comes round ends it, one of another name does not", () => {
    const alias = (name: string, data: string) => ({ name, type: 5, ttl: 60, data });
    const address = (name: string, data: string) => ({ name, type: 1, ttl: 60, data });
    const names = learner("*.cdn.net");
    names.hear(heard(ASKED), NOW);
    const answers = [
      alias("www.example.com", "a.cdn.net"),
      alias("a.cdn.net", "b.other.net"),
      alias("b.other.net", "www.example.com"),
      address("b.other.net", "192.0.2.1"),
      address("c.cdn.net", "192.0.2.2"),
    ];
    names.hear(heard({ ...ANSWER, answers }), NOW);
    expect(texts(names)).toEqual(["192.0.2.1"]);
  });

  test.each<[string, Partial<DnsText>, Partial<Overheard>]>([
    ["another number", { id: 8 }, {}],
    ["another name", { name: "x.example.com" }, {}],
    ["another type", { type: 28 }, {}],
    ["another server", {}, { source: ipOf("192.0.2.54") }],
    ["another port", {}, { destinationPort: 4001 }],
  ])("an answer with %s is a stranger's: it changes a counter", (_what, text, ends) => {
    const names = learner("*.example.com");
    names.hear(heard(ASKED), NOW);
    names.hear(heard({ ...ANSWER, ...text }, ends), NOW);
    expect(texts(names)).toEqual([]);
    expect(names.counters()).toEqual({ answers: 0, unasked: 1, full: 0 });
  });

  test("so is one that comes too late, one from another port than 53, one that reports an error", () => {
    const names = learner("*.example.com");
    names.hear(heard(ASKED), NOW);
    expect(names.hear(heard(ANSWER), instant(1000 + 15_001))).toEqual([]);
    expect(names.hear(heard(ANSWER, { sourcePort: 54 }), NOW)).toEqual([]);
    expect(names.hear(heard({ ...ANSWER, rcode: 3 }), NOW)).toEqual([]);
  });

  test.each(["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1"])(
    "%s is nobody's address",
    (data) => {
      const names = learner("*.example.com");
      names.hear(heard(ASKED), NOW);
      expect(names.hear(heard({ ...ANSWER, answers: [{ name: ASKED.name, type: 1, ttl: 60, data }] }), NOW)).toEqual(
        [],
      );
    },
  );
  test.each(["::", "::1", "fe80::1", "ff02::1"])("%s is nobody's address", (data) => {
    const names = learner("*.example.com");
    names.hear(heard({ ...ASKED, type: 28 }), NOW);
    const answers = [{ name: ASKED.name, type: 28, ttl: 60, data }];
    expect(names.hear(heard({ ...ANSWER, type: 28, answers }), NOW)).toEqual([]);
  });
  test("fd00::/8 is", () => {
    const names = learner("*.example.com");
    names.hear(heard({ ...ASKED, type: 28 }), NOW);
    const answers = [{ name: ASKED.name, type: 28, ttl: 60, data: "fd02::2" }];
    expect(names.hear(heard({ ...ANSWER, type: 28, answers }), NOW)).toHaveLength(1);
  });

  test("memory is bounded, whatever is asked and answered", () => {
    const names = learner("*.example.com");
    for (let n = 0; n < 20_000; n++) {
      const name = `n${n}.example.com`;
      names.hear(heard({ ...ASKED, name }), NOW);
      if (n < 3000) continue;
      names.hear(
        heard({ ...ANSWER, name, answers: [{ name, type: 1, ttl: 60, data: `10.9.${n >>> 8}.${n & 255}` }] }),
        NOW,
      );
    }
    expect(names.known(NOW).length).toBe(16_384);
    expect(names.counters().full).toBe(17_000 - 16_384);
    const later = instant(NOW + 700_000);
    names.hear(heard(ASKED), later);
    expect(names.hear(heard(ANSWER), later)).toHaveLength(1);
  });

  test("names that no class asks for any more are forgotten", () => {
    const names = learner("www.example.com");
    names.hear(heard(ASKED), NOW);
    names.hear(heard(ANSWER), NOW);
    expect(names.watch(["*.example.com"], NOW)).toEqual([]);
  });

  test("a wildcard stands for what is below it", () => {
    const takes = (pattern: string, name: string): boolean => matchesHost(pattern, name);
    expect(["a.example.com", "a.b.example.com"].map((name) => takes("*.example.com", name))).toEqual([true, true]);
    expect(["example.com", "badexample.com", ".example.com"].map((name) => takes("*.example.com", name))).toEqual([
      false,
      false,
      false,
    ]);
    expect(takes("WWW.Example.com", "www.example.com")).toBe(true);
  });
});
