/** Control's own servers: the admin socket, metrics and health.  A taken address is a Fault that names the way out. */
import { chmodSync, unlinkSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect } from "node:net";
import { formatIp, type Ip } from "../base/address.ts";
import { Fault } from "../base/fault.ts";
import * as sockets from "../netstack/kernel/sockets.ts";
import { CONTENT_TYPE } from "./metrics/exposition.ts";

/** Listens on a Unix socket of mode 0660; a socket file that nobody answers on is a leftover and replaced. */
export async function listenUnix(server: Server, path: string): Promise<void> {
  if (await answers(path)) {
    throw new Fault("ADDRESS_TAKEN", { path, hint: "another novaedge runs here; --admin-socket names another path" });
  }
  remove(path);
  // Created with no rights for others from the first moment, not only after the chmod.
  const before = process.umask(0o117);
  try {
    const bound = listens(server, { path }, wayOut("--admin-socket", "admin.socket"));
    process.umask(before);
    await bound;
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o660);
}

/** `what`: the settings' name for the port, of which the flag is made. */
export function listenTcp(server: Server, ip: Ip, port: number, what: "metrics" | "health"): Promise<void> {
  const where = { port, host: formatIp(ip), ...wayOut(`--${what}-port`, `${what}.port`) };
  try {
    // Not by name, as Node would: its resolver takes longer to load than all the rest of a server.
    return listens(server, { fd: sockets.listenTcp({ ip, port, dualStack: true }) }, where);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(error.code, { ...error.fields, ...where }, error);
  }
}

export interface HealthView {
  /** undefined: ready; else what is missing. */
  notReady(): string | undefined;
}

/** `/metrics` on one port, `/healthz` and `/readyz` on another (or all three on one). */
export function observationServer(metrics: (() => string) | undefined, health: HealthView | undefined): Server {
  const listener: RequestListener = (request, response) => {
    const say = (status: number, type: string, body: string): void => {
      response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") return say(405, TEXT, "only GET\n");
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/metrics" && metrics !== undefined) return say(200, CONTENT_TYPE, metrics());
    if ((path === "/healthz" || path === "/health") && health !== undefined) return say(200, TEXT, "ok\n");
    if ((path === "/readyz" || path === "/ready") && health !== undefined) {
      const missing = health.notReady();
      return missing === undefined ? say(200, TEXT, "ok\n") : say(503, TEXT, `not ready: ${missing}\n`);
    }
    return say(404, TEXT, "not found\n");
  };
  const server = createServer(listener);
  // A scraper has no reason to be slow: nobody may hold our memory.
  server.headersTimeout = 5_000;
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 60_000;
  server.maxConnections = 256;
  return server;
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Failures carry `fields`. */
function listens(
  server: Server,
  where: { readonly path: string } | { readonly fd: number },
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === "EADDRINUSE") reject(new Fault("ADDRESS_TAKEN", { ...where, ...fields }, error));
      else reject(new Fault("KERNEL_CALL", { call: "listen", code: error.code, ...where, ...fields }, error));
    };
    server.once("error", failed);
    server.listen(where, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
}

function wayOut(flag: string, setting: string): { readonly hint: string } {
  return { hint: `${flag} or ${setting} in the settings chooses another` };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new Fault("FILE", { path, call: "unlink" }, error);
  }
}

const TEXT = "text/plain; charset=utf-8";
