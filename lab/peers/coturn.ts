/** coturn on a host of a lab, as a STUN server with the behaviours of RFC 5780: two addresses, two ports. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../host.ts";
import type { Running } from "../process.ts";
import { until } from "./until.ts";

/** `addresses`: of this host, two for RFC 5780.  It answers at ports 3478 and 3479 of each. */
export async function startCoturn(host: Host, addresses: readonly string[]): Promise<Running> {
  const directory = join(host.directory, `coturn-${host.name}`);
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "turnserver.conf");
  const lines = [
    ...addresses.map((address) => `listening-ip=${address}`),
    `relay-ip=${addresses[0]}`,
    "listening-port=3478",
    "alt-listening-port=3479",
    "no-auth",
    "no-tls",
    "no-dtls",
    "no-cli",
    "log-file=stdout",
    "simple-log",
    `pidfile=${join(directory, "pid")}`,
    `userdb=${join(directory, "users")}`,
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  const running = host.spawn("turnserver", ["-c", config]);
  let over = false;
  void running.finished.finally(() => (over = true));
  try {
    await until(
      "coturn listens",
      async () => {
        const { stdout } = await host.exec("ss", ["-lnuH", "sport = 3479"]);
        return addresses.every((address) => stdout.includes(`${address}:3479`)) || undefined;
      },
      { explain: () => running.output(), giveUp: () => over },
    );
    return running;
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}
