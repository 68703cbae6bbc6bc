/**
 * A stranger on the wire between two probers: what passed there is sent again, changed, and cut short, from the addresses
 * and ports of both.  Nothing moves but counters.
 */
import { describe, expect, test } from "vitest";
import type { Order, Said } from "../../../../bench/probe-truth/words.ts";
import { buildLab, type Lab } from "../../../../lab/build.ts";
import type { Frame } from "../../../../lab/capture/pcapng.ts";
import { capture } from "../../../../lab/capture.ts";
import { describe as described } from "../../../../lab/description.ts";
import { until } from "../../../../lab/peers/until.ts";
import type { Running } from "../../../../lab/process.ts";
import type { PathReport } from "../../../../sdwan/steer-plan.ts";

const PROGRAM = `${import.meta.dirname}/../../../../bench/probe-truth/program.ts`;
const KEY = "5a".repeat(32);
const PORT = 8862;
const [X, Y] = ["10.0.0.1", "10.0.0.2"];
/** Of each of what passed: again, with one bit changed, and cut to 40 octets. */
const EACH = 20;

describe.skipIf(process.getuid?.() !== 0)("a stranger on the wire (needs root)", () => {
  test("probes and answers that are said again, forged or malformed change nothing but counters", async () => {
    await using lab = await network();
    const y = start(lab, "y", { paths: [], reflectors: [REFLECTOR], every: 50 });
    await using _y = y.running;
    const x = start(lab, "x", { paths: [PATH], reflectors: [], every: 50 });
    await using _x = x.running;
    await until("alive", () => x.report()?.life.kind === "alive", { within: 30_000 });

    const wire = await capture(lab, { ports: ["x:wan0", "y:wan0"], everything: true, kept: 600 });
    const seen = x.report()?.answered ?? 0;
    await until("some passed", () => (x.report()?.answered ?? 0) > seen + EACH + 5, { within: 30_000 });
    const passed = (await wire.stop()).frames.flatMap(datagramOf);
    const probes = passed.filter(({ from, to }) => from.startsWith(`${X}:`) && to === `${Y}:${PORT}`);
    const answers = passed.filter(({ from, to }) => from === `${Y}:${PORT}` && to.startsWith(`${X}:`));
    const [before, reflected] = [x.report(), y.reflected()];
    expect([probes.length >= EACH, answers.length >= EACH]).toEqual([true, true]);
    expect([before?.refused, reflected?.refused]).toEqual([{}, {}]);

    await Promise.all([speak(lab, "p", probes), speak(lab, "q", answers)]);
    const refused = await until(
      "all is counted",
      () => {
        const [atX, atY] = [x.report()?.refused ?? {}, y.reflected()?.refused ?? {}];
        return total(atX) >= 3 * EACH && total(atY) >= 3 * EACH ? { atX, atY } : undefined;
      },
      { within: 30_000, explain: () => JSON.stringify([x.report(), y.reflected()]) },
    );
    expect(refused.atY).toMatchObject({ "bad-hmac": EACH, short: EACH });
    expect((refused.atY["replayed"] ?? 0) + (refused.atY["too-old"] ?? 0)).toBe(EACH);
    expect(total(refused.atY)).toBe(3 * EACH);
    expect(refused.atX).toMatchObject({ "bad-hmac": EACH, short: EACH });
    expect(total(refused.atX)).toBe(3 * EACH);
    // What is measured goes on as if nobody had spoken: the path stays alive, and nothing is answered twice.
    const then = x.report()?.answered ?? 0;
    await until("more passed", () => (x.report()?.answered ?? 0) > then + 20, { within: 30_000 });
    const after = x.report();
    expect(x.lives).toEqual(["alive"]);
    expect(after?.answered).toBeLessThanOrEqual(after?.sent ?? 0);
    expect(y.reflected()?.answered).toBeLessThanOrEqual(after?.sent ?? 0);
  });
});

const PATH: Order["paths"][number] = {
  id: "x>y",
  link: "wan",
  site: "y",
  ifname: "wan0",
  underlay: "wan0",
  via: "direct",
  usable: true,
  why: "",
  bfd: undefined,
  cost: 1,
  bandwidth: 1e9,
  metered: false,
  probe: {
    kind: "stamp",
    local: X,
    peer: Y,
    port: PORT,
    key: KEY,
    // On a busy machine an answer may take its time: three of 2 s are not lost for that.
    pace: { interval: 50, inDoubt: 50, deadAfter: 40, alpha: 0.3, octetsPerHour: 1e10 },
    counters: false,
  },
};
const REFLECTOR: Order["reflectors"][number] = { ifname: "wan0", local: Y, port: PORT, peers: { [X]: KEY } };

interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly payload: Buffer;
}

/** Of the UDP packets over IPv4 among frames; each is seen once, at the port that sends it. */
function datagramOf({ port, octets }: Frame): readonly Datagram[] {
  const frame = Buffer.from(octets);
  if (frame.length < 42 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) return [];
  const [source, destination] = [26, 30].map((at) => [...frame.subarray(at, at + 4)].join("."));
  if ((port === "x.wan0") !== (source === X)) return [];
  const payload = Buffer.from(frame.subarray(42, 34 + frame.readUInt16BE(38)));
  return [{ from: `${source}:${frame.readUInt16BE(34)}`, to: `${destination}:${frame.readUInt16BE(36)}`, payload }];
}

/** Says them again from a host that has the sender's address, too. */
async function speak(lab: Lab, host: string, datagrams: readonly Datagram[]): Promise<void> {
  const said = datagrams.slice(-EACH).flatMap(({ payload }, index) => {
    const forged = Buffer.from(payload);
    // Somewhere in what the HMAC covers.
    forged[index % 40] = (forged[index % 40] ?? 0) ^ (1 << (index % 8));
    return [payload, forged, payload.subarray(0, 40)].map((each) => each.toString("base64"));
  });
  const { from = "", to = "" } = datagrams.at(-1) ?? {};
  await using running = lab.host(host).spawn(process.execPath, ["-e", SPEAK, from, to, ...said]);
  const { code } = await running.finished;
  expect({ code, output: code === 0 ? "" : running.output() }).toEqual({ code: 0, output: "" });
}
const SPEAK = `
const [[address, port], [toAddress, toPort]] = process.argv.slice(1, 3).map((text) => text.split(":"));
const socket = require("node:dgram").createSocket("udp4");
socket.bind(Number(port), address, () => {
  const all = process.argv.slice(3).map((text) => new Promise((done, fail) => {
    socket.send(Buffer.from(text, "base64"), Number(toPort), toAddress, (error) => (error ? fail(error) : done()));
  }));
  Promise.all(all).then(() => socket.close());
});
`;

/** x and y are who they are; p has the address of x, and q that of y.  Who is where was settled before. */
async function network(): Promise<Lab> {
  const hosts = { x: X, y: Y, p: X, q: Y };
  const lab = await buildLab(
    described({
      hosts: Object.fromEntries(
        Object.entries(hosts).map(([name, ip]) => [name, { interfaces: { wan0: [`${ip}/24`] } }]),
      ),
      switches: ["wan"],
      links: Object.keys(hosts).map((name) => ({ from: `${name}:wan0` as const, to: "wan" })),
    }),
  );
  const macOf = async (name: string): Promise<string> =>
    (await lab.host(name).exec("cat", ["/sys/class/net/wan0/address"])).stdout.trim();
  const [x, y] = [await macOf("x"), await macOf("y")];
  for (const [name, ip, mac] of [
    ["x", Y, y],
    ["y", X, x],
    ["p", Y, y],
    ["q", X, x],
  ] as const)
    await lab.host(name).exec("ip", ["neighbour", "replace", ip, "lladdr", mac, "dev", "wan0", "nud", "permanent"]);
  return lab;
}

function start(lab: Lab, host: string, order: Order) {
  let said: Extract<Said, { readonly kind: "reports" }> | undefined;
  const lives: string[] = [];
  const running: Running = lab.host(host).node(PROGRAM, [], {
    line: (line, from) => {
      if (from !== "stdout") return;
      const each = JSON.parse(line) as Said;
      if (each.kind === "reports") said = each;
      if (each.kind === "life") lives.push(each.life.kind);
    },
  });
  running.write(`${JSON.stringify(order)}\n`);
  return {
    running,
    lives,
    report: (): PathReport | undefined => said?.reports[0],
    reflected: () => said?.reflected,
  };
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}
