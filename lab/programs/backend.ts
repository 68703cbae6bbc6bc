/**
 * A tiny HTTP backend: answers every path with its name.  backend.ts NAME PORT
 * `/size/N` answers with N octets, `/slow/MS` after MS milliseconds.  SIGUSR2 makes `/health` fail, and heal again.
 */
import { createServer } from "node:http";

const [name = "backend", port = "8000"] = process.argv.slice(2);
let healthy = true;

const server = createServer((request, response) => {
  request.resume(); // the body is not looked at, but has to leave the connection
  const [, what = "", value = "0"] = (request.url ?? "/").split("/");
  const answer = (status: number, body: string): void => {
    response.writeHead(status, { "content-type": "text/plain", "content-length": body.length, "x-backend": name });
    response.end(body);
  };
  switch (what) {
    case "health":
      return answer(healthy ? 200 : 503, healthy ? "ok\n" : "failing\n");
    case "size":
      return answer(200, "x".repeat(Math.min(Number(value) || 0, 2 ** 24)));
    case "slow":
      setTimeout(() => answer(200, `${name}\n`), Math.min(Number(value) || 0, 60_000));
      return;
    default:
      return answer(200, `${name}\n`);
  }
});
server.keepAliveTimeout = 60_000;
process.on("SIGUSR2", () => {
  healthy = !healthy;
});
server.listen(Number(port), "::", () => console.log(`listening ${name} ${port}`));
