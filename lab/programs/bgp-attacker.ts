/**
 * A BGP peer without manners, for tests: it does what each line of standard input says (an AttackOrder), and tells what
 * happens to its connections as lines of JSON (an AttackNews).
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

export type AttackOrder =
  /** `opens`: an OPEN at once, and KEEPALIVEs as an honest peer sends them; `deaf`: never reads again once established. */
  | {
      readonly kind: "connect";
      readonly id: number;
      readonly to: string;
      readonly asn: number;
      readonly opens: boolean;
      readonly deaf?: boolean;
    }
  | { readonly kind: "send"; readonly id: number; readonly hex: string }
  /** Sends the same octets again and again, as fast as the socket takes them, for so many milliseconds. */
  | { readonly kind: "flood"; readonly id: number; readonly hex: string; readonly for: number }
  /** UPDATEs with so many different /24 and longer prefixes. */
  | { readonly kind: "routes"; readonly id: number; readonly count: number }
  | { readonly kind: "close"; readonly id: number };

export type AttackNews =
  | { readonly kind: "open"; readonly id: number }
  | { readonly kind: "established"; readonly id: number }
  /** A NOTIFICATION: "3/1". */
  | { readonly kind: "notified"; readonly id: number; readonly code: string }
  | { readonly kind: "closed"; readonly id: number; readonly why: string }
  | { readonly kind: "done"; readonly id: number; readonly sent: number };

const MARKER = Buffer.alloc(16, 0xff);
const sockets = new Map<number, Socket>();
createInterface({ input: process.stdin }).on("line", (line) => obey(JSON.parse(line) as AttackOrder));

function obey(order: AttackOrder): void {
  switch (order.kind) {
    case "connect":
      return call(order);
    case "send":
      sockets.get(order.id)?.write(Buffer.from(order.hex, "hex"));
      return;
    case "flood":
      return flood(order.id, Buffer.from(order.hex, "hex"), order.for);
    case "routes":
      return routes(order.id, order.count);
    case "close":
      sockets.get(order.id)?.destroy();
  }
}

function call({ id, to, asn, opens, deaf }: AttackOrder & { readonly kind: "connect" }): void {
  const socket = connect({ host: to, port: 179, noDelay: true });
  sockets.set(id, socket);
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let alive: NodeJS.Timeout | undefined;
  let established = false;
  socket.on("connect", () => {
    say({ kind: "open", id });
    if (opens) socket.write(open(asn));
  });
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, Buffer.from(data)]);
    while (rest.length >= 19 && rest.length >= rest.readUInt16BE(16)) {
      const length = rest.readUInt16BE(16);
      const type = rest[18];
      if (type === 3) say({ kind: "notified", id, code: `${rest[19]}/${rest[20]}` });
      if (type === 1 && opens) socket.write(message(4, Buffer.alloc(0)));
      if (type === 4 && !established) {
        established = true;
        say({ kind: "established", id });
        alive = setInterval(() => socket.write(message(4, Buffer.alloc(0))), 1000);
        if (deaf === true) socket.pause();
      }
      rest = rest.subarray(length);
    }
  });
  let why = "closed";
  socket.on("error", (error: NodeJS.ErrnoException) => {
    why = error.code ?? error.message;
  });
  socket.on("close", () => {
    clearInterval(alive);
    sockets.delete(id);
    say({ kind: "closed", id, why });
  });
}

function flood(id: number, octets: Buffer, span: number): void {
  const socket = sockets.get(id);
  if (socket === undefined) return say({ kind: "done", id, sent: 0 });
  const chunk = Buffer.concat(Array.from({ length: Math.max(1, Math.floor(65_536 / octets.length)) }, () => octets));
  const until = Date.now() + span;
  let sent = 0;
  const more = (): void => {
    if (socket.destroyed || Date.now() >= until) return say({ kind: "done", id, sent });
    sent += Math.floor(chunk.length / octets.length);
    socket.write(chunk, more);
  };
  socket.once("close", () => say({ kind: "done", id, sent }));
  more();
}

function routes(id: number, count: number): void {
  const socket = sockets.get(id);
  let next = 0;
  const more = (): void => {
    if (socket === undefined || socket.destroyed || next >= count) return say({ kind: "done", id, sent: next });
    const prefixes = Buffer.alloc(5 * Math.min(700, count - next));
    for (let at = 0; at < prefixes.length; at += 5) {
      // 11.0.0.0/32 upward: every value is another prefix.
      prefixes[at] = 32;
      prefixes.writeUInt32BE(0x0b00_0000 + next++, at + 1);
    }
    socket.write(update(prefixes), more);
  };
  socket?.once("close", () => say({ kind: "done", id, sent: next }));
  more();
}

function open(asn: number): Buffer {
  const capabilities = Buffer.from([1, 4, 0, 1, 0, 1, 2, 0, 70, 0, 65, 4, 0, 0, asn >> 8, asn & 255]);
  const fixed = Buffer.from([4, asn >> 8, asn & 255, 0, 9, 10, 0, 0, 3]);
  return message(
    1,
    Buffer.concat([fixed, Buffer.from([capabilities.length + 2, 2, capabilities.length]), capabilities]),
  );
}
function update(prefixes: Buffer): Buffer {
  const attributes = Buffer.from([0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xeb, 0x40, 3, 4, 10, 0, 0, 3]);
  return message(2, Buffer.concat([Buffer.from([0, 0, 0, attributes.length]), attributes, prefixes]));
}
function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([MARKER, Buffer.from([(19 + body.length) >> 8, (19 + body.length) & 255, type]), body]);
}
function say(news: AttackNews): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}
