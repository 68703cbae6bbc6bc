/**
 * A sender that is never the bottleneck: everything is encoded before it calls.  Its argument is a SenderOrder; it says
 * {"kind":"loaded"}, {"kind":"established","at":ms}, {"kind":"sent","at":ms}, keeps the session and ends with stdin.
 */
import { connect } from "node:net";
import { prefixes } from "./prefixes.ts";

export interface SenderOrder {
  readonly to: string;
  readonly from: string;
  readonly asn: number;
  readonly count: number;
  /** Routes that share a set of attributes. */
  readonly alike: number;
}

const OPEN = 1;
const UPDATE = 2;
const NOTIFICATION = 3;
const KEEPALIVE = 4;

const order = JSON.parse(process.argv[2] ?? "") as SenderOrder;
const stream = updates(order);
say({ kind: "loaded", octets: stream.length });

const socket = connect({ host: order.to, port: 179, localAddress: order.from, noDelay: true });
socket.on("connect", () => socket.write(open(order)));
let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
let established = false;
socket.on("data", (data) => {
  rest = Buffer.concat([rest, Buffer.from(data)]);
  while (rest.length >= 19 && rest.length >= rest.readUInt16BE(16)) {
    const length = rest.readUInt16BE(16);
    received(rest[18] ?? 0, rest.subarray(19, length));
    rest = rest.subarray(length);
  }
});
socket.on("error", (error) => fail(error.message));
socket.on("close", () => fail("closed"));
process.stdin.on("end", () => process.exit(0)).resume();

function received(type: number, body: Buffer): void {
  if (type === OPEN) socket.write(message(KEEPALIVE, Buffer.alloc(0)));
  if (type === NOTIFICATION) fail(`notification ${body[0]}/${body[1]}`);
  if (type !== KEEPALIVE || established) return;
  established = true;
  say({ kind: "established", at: now() });
  socket.write(stream, () => say({ kind: "sent", at: now() }));
  setInterval(() => socket.write(message(KEEPALIVE, Buffer.alloc(0))), 10_000);
}

function open({ asn, from }: SenderOrder): Buffer {
  const capabilities = Buffer.from([1, 4, 0, 1, 0, 1, 65, 4, 0, 0, asn >> 8, asn & 255]); // RFC 4760, RFC 6793
  const fixed = Buffer.from([4, asn >> 8, asn & 255, 0, 90, ...from.split(".").map(Number)]);
  const parameter = Buffer.from([capabilities.length + 2, 2, capabilities.length]);
  return message(OPEN, Buffer.concat([fixed, parameter, capabilities]));
}

function updates({ asn, from, count, alike }: SenderOrder): Buffer {
  const all = prefixes(count).map((prefix) => [24, ...prefix.split(".").slice(0, 3).map(Number)]);
  const messages: Buffer[] = [];
  for (let at = 0; at < all.length; at += alike) {
    const via = 4_200_000_000 + at / alike;
    const path = Buffer.alloc(10);
    path.set([2, 2], 0);
    path.writeUInt32BE(asn, 2);
    path.writeUInt32BE(via, 6);
    const attributes = Buffer.concat([
      Buffer.from([0x40, 1, 1, 0]),
      Buffer.from([0x40, 2, path.length]),
      path,
      Buffer.from([0x40, 3, 4, ...from.split(".").map(Number)]),
    ]);
    const head = Buffer.alloc(4);
    head.writeUInt16BE(attributes.length, 2);
    messages.push(message(UPDATE, Buffer.concat([head, attributes, Buffer.from(all.slice(at, at + alike).flat())])));
  }
  messages.push(message(UPDATE, Buffer.alloc(4))); // End-of-RIB
  return Buffer.concat(messages);
}

function message(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(19, 0xff);
  head.writeUInt16BE(19 + body.length, 16);
  head[18] = type;
  return Buffer.concat([head, body]);
}
function now(): number {
  return performance.timeOrigin + performance.now();
}
function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
function fail(why: string): void {
  say({ kind: "failed", why });
  process.exit(1);
}
