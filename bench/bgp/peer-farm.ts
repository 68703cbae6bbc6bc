/**
 * Many peers in one process, each at an address of its own, that are called, keep their sessions alive and say nothing
 * else.  peer-farm.ts ASN; it says {"established":n} whenever that changes.  (BIRD has one session per remote address.)
 */
import { createServer, type Socket } from "node:net";

const OPEN = 1;
const NOTIFICATION = 3;
const KEEPALIVE = 4;
/** Seconds. */
const HOLD = 30;

const asn = Number(process.argv[2]);
let established = 0;
const server = createServer({ noDelay: true }, (socket) => serve(socket));
server.listen({ host: "0.0.0.0", port: 179, backlog: 1024 }, () => say({ listening: true }));
process.stdin.on("end", () => process.exit(0)).resume();

function serve(socket: Socket): void {
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let alive: NodeJS.Timeout | undefined;
  const router = (socket.localAddress ?? "").split(".").map(Number);
  socket.write(open(router));
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, Buffer.from(data)]);
    while (rest.length >= 19 && rest.length >= rest.readUInt16BE(16)) {
      const type = rest[18];
      if (type === NOTIFICATION) say({ notified: [rest[19], rest[20]] });
      if (type === OPEN) socket.write(message(KEEPALIVE, Buffer.alloc(0)));
      if (type === KEEPALIVE && alive === undefined) {
        alive = setInterval(() => socket.write(message(KEEPALIVE, Buffer.alloc(0))), (HOLD * 1000) / 3);
        say({ established: ++established });
      }
      rest = rest.subarray(rest.readUInt16BE(16));
    }
  });
  socket.on("error", () => undefined); // its close follows
  socket.on("close", () => {
    if (alive === undefined) return;
    clearInterval(alive);
    say({ established: --established });
  });
}

function open(router: readonly number[]): Buffer {
  const capabilities = Buffer.from([1, 4, 0, 1, 0, 1, 65, 4, 0, 0, asn >> 8, asn & 255]); // RFC 4760, RFC 6793
  const fixed = Buffer.from([4, asn >> 8, asn & 255, 0, HOLD, ...router]);
  const parameter = Buffer.from([capabilities.length + 2, 2, capabilities.length]);
  return message(OPEN, Buffer.concat([fixed, parameter, capabilities]));
}
function message(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(19, 0xff);
  head.writeUInt16BE(19 + body.length, 16);
  head[18] = type;
  return Buffer.concat([head, body]);
}
function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
