/**
 * The BGP speaker on its driver, and a recording of all that passes between them.  bgp-recorder.ts PLAN.json OUT; a line on
 * standard input stops it.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { SILENT } from "../../../base/log.ts";
import { readOrders, say } from "../../../lab/programs/orders.ts";
import { BgpDriver } from "../../../netstack/bgp/driver/bgp-driver.ts";
import type { BgpSpeaker } from "../../../netstack/bgp/event.ts";
import type { BgpPlan } from "../../../netstack/bgp/plan.ts";
import { Speaker } from "../../../netstack/bgp/speaker.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { line } from "./format.ts";
import type { BgpCall } from "./words.ts";

const [planFile = "", out = ""] = process.argv.slice(2);
const file = openSync(out, "w");
const note = (call: BgpCall): void => void writeSync(file, `${line(call)}\n`);
const random = (): number => 0.5;
const speaker = new Speaker(random);
const recorded: BgpSpeaker = {
  handle(event, now) {
    const actions = speaker.handle(event, now);
    note({ call: "handle", now, event, actions });
    return actions;
  },
  allot() {
    const connection = speaker.allot();
    note({ call: "allot", connection });
    return connection;
  },
  nextUpdates(connection, room, now) {
    const messages = speaker.nextUpdates(connection, room, now);
    note({ call: "updates", now, connection, room, messages });
    return messages;
  },
  nextRoutes(most) {
    const routes = speaker.nextRoutes(most);
    note({ call: "routes", most, routes });
    return routes;
  },
  nextWake: () => speaker.nextWake(),
  report: (peer, epoch) => speaker.report(peer, epoch),
  peers: () => speaker.peers(),
  stats: () => speaker.stats(),
  routes: (query) => speaker.routes(query),
  expected: (remote, ifname) => speaker.expected(remote, ifname),
};

const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
const nothing = (): void => undefined;
const driver = new BgpDriver({
  loop,
  random,
  speaker: recorded,
  notes: {
    bfd: nothing,
    event: nothing,
    peer: (peer) => say({ peer: peer.name, state: peer.state }),
    peerGone: nothing,
  },
});
driver.plan(JSON.parse(readFileSync(planFile, "utf8")) as BgpPlan);
const stop = (): void =>
  driver.stop(false, () => {
    driver[Symbol.dispose]();
    closeSync(file);
    loop.stop();
  });
readOrders(loop, stop, () => loop.stop());
loop.run();
