/**
 * One site of the bench: our tunnel with all that steers packets around it.  The order as JSON in its argument; later plans
 * as lines on its standard input.
 */
import { readSync, writeSync } from "node:fs";
import { ipOf, parsePrefix } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { ROUTE_PROTOCOL } from "../../netstack/kernel/marks.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { Tunnels } from "../../sdwan/overlay/driver/tunnels.ts";
import { Steering } from "../../sdwan/steer/driver/steering.ts";
import { LANE_METRIC } from "../../sdwan/steer/lane-routes.ts";
import type { UnderlayPlan } from "../../sdwan/underlay-plan.ts";

export interface SiteOrder {
  readonly plan: UnderlayPlan;
  /** Source address of this site's own traffic. */
  readonly source: string;
  /** Networks behind the other site: what pulse would put into the tables of choices. */
  readonly remote: string;
}

const { plan, source, remote } = JSON.parse(process.argv[2] ?? "") as SiteOrder;
const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
const events = (name: string, fields: Readonly<Record<string, unknown>>): void => {
  if (fields["level"] === "warn" || fields["level"] === "error") writeSync(2, `${name} ${JSON.stringify(fields)}\n`);
};
const steering = new Steering({ loop, state: undefined, event: events });
let up = false;
const tunnels = new Tunnels({
  loop,
  wall: Date.now,
  runDirectory: undefined,
  tell: (news) => {
    if (news.kind === "event") return events(news.name, news.fields);
    if (news.kind !== "tunnel" || news.tunnel.state !== "up" || up) return;
    up = true;
    route(news.tunnel.ifname);
    writeSync(1, "up\n");
  },
});
const [link] = plan.links;
if (link === undefined) throw new TypeError("a plan without a link");
const facts = { name: link.name, ifname: link.ifname, state: "up", gateway4: undefined, gateway6: undefined } as const;
steering.plan(plan, [facts]);
tunnels.links([{ name: link.name, up: true, why: "", mtu: 1500 }]);
tunnels.plan(plan);
let rest = "";
const input = Buffer.alloc(65_536);
loop.watch(0, () => {
  const length = readSync(0, input);
  if (length === 0) return loop.stop();
  const lines = (rest + input.toString("utf8", 0, length)).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) tunnels.plan(JSON.parse(line) as UnderlayPlan);
});
loop.run();

function route(ifname: string): void {
  using socket = new RouteSocket();
  const destination = parsePrefix(remote);
  if (!destination.ok) throw new TypeError(remote);
  const oif = socket.indexOf(ifname);
  for (const { table, what } of plan.lanes) {
    if (what.kind === "link") continue;
    const metric = LANE_METRIC.carrier;
    socket.replaceRoute({
      destination: destination.value,
      table,
      protocol: ROUTE_PROTOCOL,
      metric,
      oif,
      source: ipOf(source),
    });
  }
}
