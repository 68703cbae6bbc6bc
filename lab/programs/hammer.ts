/**
 * Asks without a pause over keep-alive connections and counts every request that failed, as a client would see it: no
 * answer, a broken answer, a status of 500 or more.  A connection that the server closed between two requests is opened
 * again; one that breaks within a request is a failure.  `gap` is the longest time without an answer on any connection,
 * milliseconds.  hammer.ts ADDRESS PORT CONNECTIONS HOST
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const [address = "", port = "80", connections = "8", host = ""] = process.argv.slice(2);
const question = `GET /size/300 HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
let requests = 0;
let failed = 0;
let answeredAt: number | undefined;
let gap = 0;
let stopping = false;
let running = 0;
const why: Record<string, number> = {};

for (let n = 0; n < Number(connections); n++) open();
createInterface({ input: process.stdin }).on("line", () => {
  stopping = true;
});
process.stdout.write(`${JSON.stringify({ kind: "hammering" })}\n`);

function open(): void {
  running++;
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  let text = "";
  let waiting = false;
  let announced = false;
  const ask = (): void => {
    waiting = true;
    text = "";
    socket.write(question);
  };
  socket.setEncoding("latin1");
  socket.on("connect", ask);
  socket.on("data", (data: string) => {
    text += data;
    const answer = whole(text);
    if (answer === undefined) return;
    waiting = false;
    requests++;
    const now = performance.now();
    gap = Math.max(gap, now - (answeredAt ?? now));
    answeredAt = now;
    if (answer.status >= 500) fail(`status ${answer.status}`);
    announced = answer.close;
    if (stopping || announced) socket.end();
    else ask();
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (waiting) fail(error.code ?? error.message);
    else if (!announced) fail(`idle ${error.code ?? error.message}`);
    waiting = false;
  });
  socket.on("close", () => {
    if (waiting) fail("closed within a request");
    running--;
    if (!stopping) open();
    else if (running === 0) finish();
  });
  socket.setTimeout(10_000, () => {
    if (waiting) fail("no answer in 10 s");
    waiting = false;
    abandon(socket);
  });
}

function whole(text: string): { readonly status: number; readonly close: boolean } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end).toLowerCase();
  const length = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0);
  const chunked = head.includes("\r\ntransfer-encoding: chunked");
  const complete = chunked ? text.endsWith("0\r\n\r\n") : text.length >= end + 4 + length;
  if (!complete) return undefined;
  return { status: Number(head.slice(9, 12)), close: head.includes("\r\nconnection: close") };
}

function abandon(socket: Socket): void {
  socket.destroy();
}

function fail(reason: string): void {
  failed++;
  why[reason] = (why[reason] ?? 0) + 1;
}

function finish(): void {
  process.stdout.write(`${JSON.stringify({ requests, failed, gap: Math.round(gap), why })}\n`);
  process.exit(0);
}
