/** Answers each line with its own name before it, on all addresses of both families.  Arguments: name, port. */
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

const [name = "", port = "0"] = process.argv.slice(2);
const serve = (socket: Socket): void => {
  socket.on("error", () => socket.destroy());
  const heard = createInterface({ input: socket });
  heard.on("line", (line) => socket.write(`${name}:${line}\n`));
  heard.on("error", () => undefined);
};
createServer(serve).listen({ port: Number(port), host: "::" }, () => process.stdout.write("ready\n"));
setTimeout(() => process.exit(), 60_000);
