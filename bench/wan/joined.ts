/** Two sites over two providers, joined by a contender: NovaEdge, or tunnels with a script that moves routes. */

import type { AdminEvent } from "../../daemon/admin/api.ts";
import type { WanStatus } from "../../daemon/admin/wan-api.ts";
import { generateSiteKeys } from "../../daemon/wan-keys.ts";
import type { Lab } from "../../lab/build.ts";
import { startEdge } from "../../lab/edges.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import { CORE, outside, WANS } from "../../lab/topology/sites.ts";
import { siteName, writeSites } from "../../lab/wan-sites.ts";

export interface Joined extends AsyncDisposable {
  /** Resolves when traffic goes over the first provider, with the traffic there is. */
  settled(): Promise<void>;
  /** When the first site moved its traffic to another path since then, milliseconds since the epoch each. */
  moves(since: number): Promise<readonly number[]>;
}

export interface Contender {
  readonly name: string;
  /** Resolves when traffic between the sites goes over the first provider. */
  join(lab: Lab, directory: string): Promise<Joined>;
}

export const SITES = [1, 2] as const;

export const novaedge: Contender = {
  name: "novaedge",
  async join(lab, directory) {
    // The first provider is what both sites use while it is good; what is good, the script knows too.
    const good = "sla: { maxLatency: 100ms, maxJitter: 30ms, maxPacketLoss: 1% }";
    const backup = `role: backup\n${good}`;
    writeSites(directory, { count: 2, links: { "1.1": good, "2.1": good, "1.2": backup, "2.2": backup } });
    const edges = SITES.map((site) => startEdge(lab, `e${site}`, directory));
    const [first, second] = edges;
    if (first === undefined || second === undefined) throw new TypeError("two sites");
    const to = `default→${siteName(2)}`;
    const stop = async (): Promise<void> => {
      for (const { running } of edges) running.signal("SIGTERM");
      await Promise.all(edges.map(({ running }) => running.finished));
      for (const { running } of edges) await running[Symbol.asyncDispose]();
    };
    const onFirst = async (edge: typeof first): Promise<boolean> => {
      const { policies, paths } = await edge.get<WanStatus>("/v1/wan");
      const choices = policies.flatMap((policy) => policy.choices);
      const path =
        choices.find(({ id, site }) => site !== undefined && id.startsWith("default→"))?.report?.chosen ?? "";
      const tunnels = paths.filter(({ site }) => site !== undefined);
      return path.includes("isp1>") && path.endsWith("isp1") && tunnels.every((each) => each.healthy);
    };
    const settled = async (): Promise<void> => {
      await until("traffic over the first provider", async () => (await onFirst(first)) && (await onFirst(second)), {
        within: 120_000,
        every: 200,
        explain: async () => JSON.stringify((await first.get<WanStatus>("/v1/wan")).policies).slice(0, 3000),
      });
    };
    try {
      await Promise.all(edges.map((edge) => edge.ready(30_000)));
      await settled();
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      settled,
      async moves(since) {
        const events = await first.list<AdminEvent>("/v1/events?limit=1000");
        const moved = events.filter(
          ({ name, fields, at }) => at >= since && /^wan\.(moved|lost)$/.test(name) && fields["choice"] === to,
        );
        return moved.map(({ at }) => at);
      },
      [Symbol.asyncDispose]: stop,
    };
  },
};

/**
 * As mwan3 does it with its quality check on, but ten times as quick as its defaults: five echo requests in a second by each
 * tunnel; three rounds in a row that lost 20 % or took more than 100 ms on the average take a tunnel out, three good ones
 * take it in again; then one route is replaced.
 */
export const script: Contender = {
  name: "script",
  async join(lab) {
    const keys = SITES.map(() => generateSiteKeys());
    const started: Running[] = [];
    const stop = async (): Promise<void> => {
      for (const each of started.toReversed()) await each[Symbol.asyncDispose]();
    };
    try {
      for (const site of SITES) {
        const host = lab.host(`e${site}`);
        const other = site === 1 ? 2 : 1;
        for (const wan of WANS) {
          const device = host.spawn("wireguard-go", ["-f", `wg${wan}`], { env: { WG_PROCESS_FOREGROUND: "1" } });
          started.push(device);
          await until("the device", async () => {
            const { stdout } = await host.exec("wg", ["show", "interfaces"], { anyCode: true });
            return stdout.includes(`wg${wan}`);
          });
          const near = CORE[`isp${wan}`][0];
          const lines = [
            `wg set wg${wan} listen-port 5182${wan} fwmark ${wan} private-key /dev/stdin peer ${keys[other - 1]?.publicKey} allowed-ips 0.0.0.0/0 endpoint ${outside(other, wan)}:5182${wan} persistent-keepalive 5 <<END\n${keys[site - 1]?.privateKey}\nEND`,
            `ip address add 10.99.${wan}.${site}/24 dev wg${wan}`,
            `ip link set wg${wan} mtu 1420 up`,
            `ip route add default via ${near} dev wan${wan} table 10${wan}`,
            `ip rule add fwmark ${wan} table 10${wan}`,
          ];
          await host.exec("sh", ["-ec", lines.join("\n")]);
        }
        await host.exec("ip", ["route", "add", `10.${other}.0.0/24`, "dev", "wg1"]);
      }
      for (const site of SITES) {
        const other = site === 1 ? 2 : 1;
        const running = lab.host(`e${site}`).spawn("sh", ["-c", TRACKER, "tracker", String(other)]);
        started.push(running);
      }
      await until(
        "both tunnels",
        async () => {
          const alive = await lab
            .host("e1")
            .exec("fping", ["-q", "-c1", "-t1000", "10.99.1.2", "10.99.2.2"], { anyCode: true });
          return alive.code === 0;
        },
        { within: 60_000, explain: async () => (await lab.host("e1").exec("wg", ["show", "all"])).stdout },
      );
    } catch (error) {
      await stop();
      throw error;
    }
    const tracker = started.at(-2);
    return {
      settled: () => Promise.resolve(),
      moves: (since) => {
        const lines = [...(tracker?.output() ?? "").matchAll(/^moved ([0-9]+)$/gm)].map((match) => Number(match[1]));
        return Promise.resolve(lines.filter((at) => at >= since));
      },
      [Symbol.asyncDispose]: stop,
    };
  },
};

/** $1: number of the other site. */
const TRACKER = `
other=$1
now=1
bad1=0; bad2=0; good1=3; good2=3; up1=1; up2=1
while :; do
  result=$(fping -q -c5 -p200 -t500 10.99.1.$other 10.99.2.$other 2>&1)
  for n in 1 2; do
    line=$(echo "$result" | grep "^10.99.$n\\.")
    loss=$(echo "$line" | sed -n 's/.*= [0-9]*\\/[0-9]*\\/\\([0-9]*\\)%.*/\\1/p')
    average=$(echo "$line" | sed -n 's/.*max = [0-9.]*\\/\\([0-9]*\\).*/\\1/p')
    if [ "\${loss:-100}" -ge 20 ] || [ "\${average:-9999}" -gt 100 ]; then
      eval "bad$n=\\$((bad$n + 1)); good$n=0"
    else
      eval "good$n=\\$((good$n + 1)); bad$n=0"
    fi
    eval "if [ \\$bad$n -ge 3 ]; then up$n=0; fi; if [ \\$good$n -ge 3 ]; then up$n=1; fi"
  done
  want=$now
  if [ $up1 = 1 ]; then want=1; elif [ $up2 = 1 ]; then want=2; fi
  if [ $want != $now ]; then
    ip route replace 10.$other.0.0/24 dev wg$want
    now=$want
    echo "moved $(date +%s%3N)"
  fi
done
`;
