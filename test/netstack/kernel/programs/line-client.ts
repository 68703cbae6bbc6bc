/**
 * TCP connections on command.  Lines in: `open ID HOST PORT`, `say ID TEXT`; lines out: `ID opened`, `ID heard TEXT`,
 * `ID closed WHY`.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const sockets = new Map<string, Socket>();
const tell = (line: string): boolean => process.stdout.write(`${line}\n`);

createInterface({ input: process.stdin }).on("line", (order) => {
  const [command, id = "", rest = "", port = ""] = order.split(" ");
  if (command === "say") {
    sockets.get(id)?.write(`${rest}\n`);
    return;
  }
  const socket = connect({ host: rest, port: Number(port) }, () => tell(`${id} opened`));
  sockets.set(id, socket);
  let why = "end";
  socket.on("error", (error: NodeJS.ErrnoException) => {
    why = error.code ?? error.message;
  });
  socket.on("close", () => tell(`${id} closed ${why}`));
  const heard = createInterface({ input: socket });
  heard.on("line", (line) => tell(`${id} heard ${line}`));
  // The interface repeats the socket's error, which is told above.
  heard.on("error", () => undefined);
});
tell("ready");
setTimeout(() => process.exit(), 60_000);
