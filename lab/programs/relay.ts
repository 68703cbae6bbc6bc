/**
 * The impairing relay: carries every frame between the two interfaces of each impaired link, when and if its shaper says.
 * Its argument is a RelayOrder, its orders are ToRelay lines; it ends with its stdin.
 */

import { SILENT } from "../../base/log.ts";
import { type Instant, instant } from "../../base/unit.ts";
import type { Datagrams, Fd } from "../../netstack/kernel/loop.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { carryOffload, droppedFrames, ignoreOutgoing, OFFLOAD_HEADER } from "../../netstack/kernel/packet-options.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";
import type { Impairment } from "../description.ts";
import { randomFrom } from "../random.ts";
import type { Counts, FromRelay, RelayOrder, ToRelay } from "../relay/messages.ts";
import { Shaper } from "../relay/shaper.ts";
import { Waiting } from "../relay/waiting.ts";
import { readOrders, say } from "./orders.ts";

const order = JSON.parse(process.argv[2] ?? "") as RelayOrder;
const loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 4096, log: SILENT });

/** 16,384 frames are 400 ms of 500 Mbit/s. */
const waiting = new Waiting(16_384, 2048);
/** The kernel wakes us this much too late at most; the rest is waited for here. */
const SPIN = 0.15;

class Direction {
  readonly shaper: Shaper;
  readonly counts = { passed: 0, lost: 0, queue: 0, blackhole: 0, overrun: 0 };
  readonly input: Fd;
  out: Datagrams | undefined;
  readonly #mark: number;

  constructor(input: Fd, mark: number, impairment: Impairment, seed: number) {
    this.input = input;
    this.#mark = mark;
    this.shaper = new Shaper(randomFrom(seed));
    this.shaper.impair(impairment);
  }

  received(frame: Uint8Array, now: Instant): void {
    const verdict = this.shaper.offer(frame.length - OFFLOAD_HEADER, now);
    if (verdict.kind === "drop") this.counts[verdict.why === "loss" ? "lost" : verdict.why]++;
    else if (verdict.at <= now && waiting.size === 0) this.send(frame);
    else if (!waiting.add(frame, verdict.at, this.#mark)) this.counts.overrun++;
  }

  send(frame: Uint8Array): void {
    if (this.out?.send(frame) === 0) this.counts.passed++;
    else this.counts.overrun++;
  }

  counted(): Counts {
    this.counts.overrun += droppedFrames(this.input);
    return { ...this.counts };
  }
}

const directions: Direction[] = [];
const links = new Map<string, { readonly forward: Direction; readonly backward: Direction }>();
{
  using route = new RouteSocket();
  order.links.forEach((link, index) => {
    const open = (ifname: string): Fd => {
      const fd = openPacket({ ifindex: route.indexOf(ifname), ethertype: 3, receiveBuffer: 16 << 20 });
      ignoreOutgoing(fd);
      carryOffload(fd);
      return fd;
    };
    const [left, right] = [open(link.left), open(link.right)];
    const forward = new Direction(left, directions.length, link.forward, order.seed + index * 2);
    directions.push(forward);
    const backward = new Direction(right, directions.length, link.backward, order.seed + index * 2 + 1);
    directions.push(backward);
    const carry = (from: Direction): Datagrams =>
      loop.datagrams(from.input, {
        received: (_, frame) => {
          from.received(frame, loop.now());
          arm();
        },
      });
    backward.out = carry(forward);
    forward.out = carry(backward);
    links.set(link.name, { forward, backward });
  });
}

let armed: { readonly at: Instant; readonly timer: Disposable } | undefined;
function arm(): void {
  const next = waiting.next;
  if (next === undefined || (armed !== undefined && armed.at <= next)) return;
  armed?.timer[Symbol.dispose]();
  armed = { at: next, timer: loop.wakeAt(instant(next - SPIN), due) };
}
function due(): void {
  armed = undefined;
  for (let next = waiting.next; next !== undefined; next = waiting.next) {
    let now = loop.now();
    if (next - now > SPIN) break;
    while (now < next) now = loop.now();
    waiting.take((frame, mark) => directions[mark]?.send(frame));
  }
  arm();
}

readOrders(loop, obey, () => loop.stop());
answer({ kind: "relaying" });
loop.run();

function obey(text: string): void {
  const message = JSON.parse(text) as ToRelay;
  const link = links.get(message.link);
  if (link === undefined) throw new TypeError(`no link ${message.link}`);
  if (message.kind === "count") {
    const [forward, backward] = [link.forward.counted(), link.backward.counted()];
    return answer({ kind: "counted", n: message.n, forward, backward });
  }
  if (message.forward !== undefined) link.forward.shaper.impair(message.forward);
  if (message.backward !== undefined) link.backward.shaper.impair(message.backward);
  answer({ kind: "done", n: message.n });
}
function answer(message: FromRelay): void {
  say(message);
}
