/**
 * The internet, in small.  `dns ADDRESS NAME ANSWER`: answers all questions for NAME.  `ask SERVER NAME`: asks once, and ends
 * with the answer.  `send TARGET PORT COUNT`: two datagrams from each of so many ports, and ends.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { childArguments } from "../../../netstack/kernel/arguments.ts";
import { dnsMessage } from "../../sdwan/steer/dns-messages.ts";

const [mode = "", first = "", second = "", third = ""] = childArguments();
const A = 1;

async function main(): Promise<void> {
  if (mode === "dns") return serve(first, second, third);
  if (mode === "ask") return ask(first, second);
  if (mode === "send") return sendAll(first, Number(second), Number(third));
  throw new TypeError(`dns, ask or send, not ${mode}`);
}

async function serve(address: string, name: string, answer: string): Promise<void> {
  const socket = await bound(53, address);
  socket.on("message", (question, { address: from, port }) => {
    const answers = [{ name, type: A, ttl: 600, data: answer }];
    socket.send(dnsMessage({ id: question.readUInt16BE(0), name, type: A, response: true, answers }), port, from);
  });
  process.stdout.write("serving\n");
}

/** Again until it is answered: what was on the way first may be lost. */
async function ask(server: string, name: string): Promise<void> {
  const socket = await bound(0);
  const answered = once(socket, "message").then(() => true);
  const question = dnsMessage({ id: 7, name, type: A, response: false, answers: [] });
  do socket.send(question, 53, server);
  while (!(await Promise.race([answered, setTimeout(500, false)])));
  process.stdout.write("answered\n");
  socket.close();
}

async function sendAll(target: string, port: number, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const socket = await bound(0);
    for (const text of ["first", "second"]) await new Promise((done) => socket.send(text, port, target, done));
    socket.close();
  }
  process.stdout.write("sent\n");
}

async function bound(port: number, address?: string): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

void main();
