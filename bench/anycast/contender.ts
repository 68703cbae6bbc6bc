/** What announces the virtual IP and serves it: ours, or FRR with nginx and a check as keepalived's users write it. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../lab/build.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import type { BfdTimes } from "../../lab/peers/router.ts";
import { send, treeOf } from "../../lab/process.ts";
import { ANYCAST4, type AnycastHost, front, ROUTER4 } from "../../lab/topology/anycast.ts";
import { peer } from "../peer.ts";
import { asnOf, ROUTER_ASN, writeEdge } from "./edge.ts";

export const BFD: BfdTimes = { interval: 50, multiplier: 3 };

export interface Contender {
  readonly name: string;
  start(lab: Lab, host: AnycastHost, folder: string): Promise<Installed>;
}

/** All that runs on one host. */
export interface Installed extends AsyncDisposable {
  /** What carries the requests. */
  dataplane(): readonly number[];
  /** All of it. */
  everything(): readonly number[];
  /** As an administrator ends it. */
  stop(): Promise<void>;
}

export const novaedge: Contender = {
  name: "novaedge",
  async start(lab, host, folder) {
    const home = join(folder, host);
    writeEdge(home, host, BFD, "/");
    const main = join(import.meta.dirname, "..", "..", "daemon", "main.ts");
    const running = lab.host(host).node(main, ["run", "--config", join(home, "novaedge.yaml")]);
    const titled = (title: string): readonly number[] =>
      treeOf(running.pid).filter((pid) => titleOf(pid).includes(title));
    return await Promise.resolve({
      dataplane: () => titled("dataplane"),
      everything: () => treeOf(running.pid),
      async stop() {
        running.signal("SIGTERM");
        await running.finished;
      },
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    });
  },
};

export const frr: Contender = {
  name: "frr+check",
  async start(lab, name, folder) {
    const host = lab.host(name);
    const home = join(folder, `${name}-frr`);
    mkdirSync(home, { recursive: true });
    await host.exec("ip", ["address", "replace", `${ANYCAST4}/32`, "dev", "lo"]);
    const stack = new AsyncDisposableStack();
    try {
      const nginx = join(home, "nginx.conf");
      writeFileSync(nginx, nginxLines(home));
      const proxy = stack.use(host.spawn(peer("nginx", "nginx-light"), ["-c", nginx]));
      const daemons = ["zebra", "bfdd", "bgpd"] as const;
      const routing = stack.use(await startFrr(host, frrLines(name), { daemons }));
      const script = join(home, "check.sh");
      writeFileSync(script, CHECK);
      const check = stack.use(host.spawn("sh", [script, ANYCAST4]));
      const pids = (): readonly number[] => daemons.flatMap((each) => treeOf(routing.running(each).pid));
      return {
        dataplane: () => treeOf(proxy.pid),
        everything: () => [...treeOf(check.pid), ...treeOf(proxy.pid), ...pids()],
        async stop() {
          // Withdrawn first, then what is under way ends.
          check.signalTree("SIGKILL");
          await host.exec("ip", ["address", "delete", `${ANYCAST4}/32`, "dev", "lo"], { anyCode: true });
          for (const pid of pids()) send(pid, "SIGTERM");
          proxy.signal("SIGQUIT");
          await proxy.finished;
        },
        [Symbol.asyncDispose]: () => stack.disposeAsync(),
      };
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  },
};

/** The address is announced while it is on this host (\`network\` with its import check), so the check removes it. */
function frrLines(host: AnycastHost): string {
  return `bfd
 profile fast
  receive-interval ${BFD.interval}
  transmit-interval ${BFD.interval}
  detect-multiplier ${BFD.multiplier}
 exit
exit
router bgp ${asnOf(host)}
 bgp router-id ${front(host).v4}
 no bgp ebgp-requires-policy
 bgp network import-check
 coalesce-time 10
 neighbor ${ROUTER4} remote-as ${ROUTER_ASN}
 neighbor ${ROUTER4} timers connect 1
 neighbor ${ROUTER4} bfd
 neighbor ${ROUTER4} bfd profile fast
 address-family ipv4 unicast
  network ${ANYCAST4}/32
 exit-address-family
exit
`;
}

function nginxLines(home: string): string {
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (each) => `${each}_temp_path ${home}/${each};`,
  );
  return `daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/nginx.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; ${scratch.join(" ")}
  upstream app { server 10.78.0.11:8080; server 10.78.0.12:8080; keepalive 64; }
  server { listen 80; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
`;
}

/** keepalived's usual check: each second, one second of patience, down after two failures, up after two good ones. */
const CHECK = `
good=0; bad=0; up=1
while sleep 1; do
  if curl -fsS -o /dev/null -m 1 "http://$1/"; then good=$((good + 1)); bad=0; else bad=$((bad + 1)); good=0; fi
  # Without the address nothing answers at it: then the port is asked for at loopback.
  if [ $up = 0 ] && curl -fsS -o /dev/null -m 1 "http://127.0.0.1/"; then good=$((good + 1)); fi
  if [ $up = 1 ] && [ $bad -ge 2 ]; then ip address delete "$1/32" dev lo; up=0; good=0; fi
  if [ $up = 0 ] && [ $good -ge 2 ]; then ip address replace "$1/32" dev lo; up=1; bad=0; fi
done
`;

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}
