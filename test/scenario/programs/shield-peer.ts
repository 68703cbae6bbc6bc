/**
 * Both ends of a stream whose losses and duplicates are counted.
 *   shield-peer.ts receive PORT                  echoes each datagram of UDP to PORT, and reads what comes by TCP to it
 *   shield-peer.ts send ADDRESS PORT BIND        orders on stdin: `{"name","count","every","same"}`
 * An order sends `count` datagrams, one each `every` milliseconds, numbered, or all the same to the octet; without `every`
 * so many octets by TCP.  When the last one has had its time the sender says what came back, how often, and what came.
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

interface Order {
  readonly name: string;
  readonly count: number;
  readonly every?: number;
  readonly same?: boolean;
}

const [role = "", ...rest] = process.argv.slice(2);
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
if (role === "receive") receive(Number(rest[0]));
else send(rest[0] ?? "", Number(rest[1]), rest[2] ?? "");

/** Name of an order → number → how often. */
function count(all: Map<string, Map<string, number>>, text: string): void {
  const [name = "", number = ""] = text.split(" ");
  const own = all.get(name) ?? new Map<string, number>();
  all.set(name, own);
  own.set(number, (own.get(number) ?? 0) + 1);
}
function summary(all: ReadonlyMap<string, ReadonlyMap<string, number>>, name: string): object {
  const counts = [...(all.get(name)?.values() ?? [])];
  return { name, distinct: counts.length, all: counts.reduce((sum, each) => sum + each, 0) };
}

function receive(port: number): void {
  const came = new Map<string, Map<string, number>>();
  const socket = createSocket("udp4");
  socket.on("message", (bytes, from) => {
    const text = bytes.toString("latin1");
    if (text.startsWith("how-many ")) {
      const answer = JSON.stringify({ kind: "came", ...summary(came, text.split(" ")[1] ?? "") });
      return socket.send(answer, from.port, from.address);
    }
    count(came, text);
    socket.send(bytes, from.port, from.address);
  });
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    let octets = 0;
    stream.on("data", (chunk) => {
      octets += chunk.length;
    });
    stream.on("end", () => stream.end(String(octets)));
    stream.on("error", () => stream.destroy());
  });
  socket.bind(port, () => server.listen(port, () => say({ kind: "receiving" })));
}

function send(address: string, port: number, bind: string): void {
  const back = new Map<string, Map<string, number>>();
  const answers = new Map<string, (text: string) => void>();
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  socket.on("message", (bytes) => {
    const text = bytes.toString("latin1");
    if (!text.startsWith("{")) return count(back, text);
    answers.get((JSON.parse(text) as { name: string }).name)?.(text);
  });
  // Asked again until there is an answer: this may be lost, too.
  const asked = (name: string): Promise<object> =>
    new Promise((resolve) => {
      const again = setInterval(() => socket.send(`how-many ${name}`, port, address), 50);
      answers.set(name, (text) => {
        clearInterval(again);
        answers.delete(name);
        resolve(JSON.parse(text) as object);
      });
    });
  const transfer = (name: string, octets: number): void => {
    const stream = connect({ host: address, port, localAddress: bind }, () => stream.end(Buffer.alloc(octets, 7)));
    let answer = "";
    stream.on("data", (chunk) => {
      answer += chunk.toString();
    });
    stream.on("error", (cause) => say({ kind: "sent", name, count: octets, failed: cause.message }));
    stream.on("end", () => say({ kind: "sent", name, count: octets, came: Number(answer) }));
  };
  const run = ({ name, count: total, every, same = false }: Order): void => {
    if (every === undefined) return transfer(name, total);
    const began = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      for (const due = Math.min(total, Math.floor((performance.now() - began) / every)); sent < due; sent++)
        socket.send(`${name} ${same ? "same" : sent} ${"x".repeat(100)}`, port, address);
      if (sent < total) return;
      clearInterval(timer);
      setTimeout(() => {
        void asked(name).then((came) => say({ kind: "sent", name, count: total, came, back: summary(back, name) }));
      }, LAST_ONES);
    }, 1);
  };
  socket.bind(0, bind, () => say({ kind: "sending" }));
  createInterface({ input: process.stdin })
    .on("line", (line) => run(JSON.parse(line) as Order))
    .on("close", () => process.exit(0));
}

/** The slowest path takes 10 ms. */
const LAST_ONES = 500;
