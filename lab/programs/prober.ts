/**
 * Probes its targets at a steady pace and says what a client sees: answers, failures, outages.  Its argument is a
 * ProbeOrder; it ends at a line or the end of stdin, with a result.
 */
import { writeFileSync } from "node:fs";
import { ipv4, ipv6 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { after, instant, ms } from "../../base/unit.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { HttpTarget } from "../probe/http.ts";
import type { ProbeLine, ProbeOrder, ProbeReport } from "../probe/messages.ts";
import { lengthOf, type Outage, Outages } from "../probe/outage.ts";
import { encodeSamples, type Sample } from "../probe/samples.ts";
import type { Fate, ProbeTarget } from "../probe/target.ts";
import { UdpTarget } from "../probe/udp.ts";
import { epoch, readOrders, say } from "./orders.ts";

const order = JSON.parse(process.argv[2] ?? "") as ProbeOrder;
// It measures others: what it is late itself would be taken for theirs.
raiseScheduling();
const loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 2048, log: SILENT });
/** Of the loop's clock and the epoch; they drift apart by microseconds in the time that a test takes. */
const offset = epoch() - loop.now();

interface Sent {
  readonly sentAt: number;
  readonly target: number;
  fate: Fate | undefined;
}

const sent: Sent[] = [];
/** Probes before this one have met their fate and are counted. */
let settled = 0;
const samples: Sample[] = [];
const outages = new Outages(order.late);
let answered = 0;
let failed = 0;
let total = 0;
let stalled = 0;
const by = new Map<string, number>();
const failures = new Map<string, number>();
let latencies: number[] = [];

const targets: readonly ProbeTarget[] = order.targets.map((target) => {
  const ip = target.address.includes(":") ? ipv6(target.address) : ipv4(target.address);
  return target.kind === "http"
    ? new HttpTarget(loop, { ip, port: target.port }, target.path, target.host)
    : new UdpTarget(loop, { ip, port: target.port });
});

const start = after(loop.now(), ms(10));
let lastSend: number = start;
let ending = false;

function send(): void {
  if (ending) return;
  const now = loop.now();
  stalled = Math.max(stalled, now - lastSend);
  // After a stall the missed probes are not made up for: they would all meet the same moment.
  const due = Math.floor((now - start) / order.every);
  lastSend = now;
  probe(due % targets.length);
  loop.wakeAt(instant(start + (due + 1) * order.every), send);
}

function probe(target: number): void {
  const probed: Sent = { sentAt: loop.now() + offset, target, fate: undefined };
  sent.push(probed);
  total++;
  const late = loop.wakeAt(after(loop.now(), ms(order.timeout)), () => settle({ kind: "failed", why: "timeout" }));
  const forget = targets[target]?.probe((fate) => {
    late[Symbol.dispose]();
    settle(fate);
  });
  function settle(fate: Fate): void {
    if (probed.fate !== undefined) return;
    probed.fate = fate;
    forget?.();
    count();
  }
}

/** In the order of sending: an outage cannot be told before the fates of all earlier probes are known. */
function count(): void {
  for (let next = sent[settled]; next?.fate !== undefined; next = sent[settled]) {
    settled++;
    const { sentAt, target, fate } = next;
    const answeredAt = fate.kind === "answered" ? fate.at + offset : undefined;
    outages.add({ sentAt, answeredAt });
    if (fate.kind === "answered") {
      answered++;
      by.set(fate.by, (by.get(fate.by) ?? 0) + 1);
      if (order.report > 0) latencies.push(fate.at + offset - sentAt);
    } else {
      failed++;
      failures.set(fate.why, (failures.get(fate.why) ?? 0) + 1);
    }
    if (order.samples !== undefined)
      samples.push({ sentAt, answeredAt, target, by: fate.kind === "answered" ? fate.by : undefined });
  }
  if (settled > 10_000) {
    sent.splice(0, settled);
    settled = 0;
  }
}

function report(): ProbeReport {
  const sorted = latencies.sort((a, b) => a - b);
  const at = (q: number): number => sorted[Math.floor((sorted.length - 1) * q)] ?? 0;
  latencies = [];
  const ended = (outage: Outage | undefined) =>
    outage === undefined ? undefined : { from: outage.from, length: lengthOf(outage) };
  const { current } = outages;
  return {
    sent: total,
    answered,
    failed,
    by: Object.fromEntries(by),
    failures: Object.fromEntries(failures),
    latency: sorted.length === 0 ? undefined : { p50: at(0.5), p99: at(0.99) },
    outage: {
      now: current === undefined ? undefined : loop.now() + offset - current.from,
      last: ended(outages.ended.at(-1)),
      worst: ended(outages.worst),
      count: outages.ended.length,
    },
    stalled,
  };
}

function tell(line: ProbeLine): void {
  say(line);
}

function reportSoon(): void {
  loop.wakeAt(after(loop.now(), ms(order.report)), () => {
    if (ending) return;
    tell({ kind: "report", report: report() });
    reportSoon();
  });
}

/** Probes under way still get their time. */
function end(): void {
  if (ending) return;
  ending = true;
  const wait = (): void => {
    if (settled < sent.length) return void loop.wakeAt(after(loop.now(), ms(5)), wait);
    if (order.samples !== undefined) writeFileSync(order.samples, encodeSamples(samples));
    tell({ kind: "result", report: report() });
    loop.stop();
  };
  wait();
}

readOrders(loop, end, end);
tell({ kind: "probing" });
loop.wakeAt(start, send);
if (order.report > 0) reportSoon();
loop.run();
