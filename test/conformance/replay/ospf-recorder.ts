/**
 * The OSPF router on its driver, and a recording of every step.  ospf-recorder.ts PLAN.json OUT; a line on standard input
 * stops it.  The driver makes its router itself, so the recorder stands between them in the router's class.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { SILENT } from "../../../base/log.ts";
import type { Instant } from "../../../base/unit.ts";
import { readOrders, say } from "../../../lab/programs/orders.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { OspfDriver } from "../../../netstack/ospf/driver/ospf-driver.ts";
import type { Action, Event } from "../../../netstack/ospf/event.ts";
import { encode } from "../../../netstack/ospf/packet/encode.ts";
import type { OspfPlan } from "../../../netstack/ospf/plan.ts";
import { Router } from "../../../netstack/ospf/router.ts";
import { line } from "./format.ts";
import type { OspfCall } from "./words.ts";

const [planFile = "", out = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8")) as OspfPlan;
const file = openSync(out, "w");
const note = (call: OspfCall): void => void writeSync(file, `${line(call)}\n`);
let made = false;
const { step } = Router.prototype as { readonly step: (this: Router, event: Event, now: Instant) => readonly Action[] };
Router.prototype.step = function recorded(event, now) {
  if (!made) note({ call: "make", now, plan });
  made = true;
  const actions = step.call(this, event, now);
  note({
    call: "step",
    now,
    event: event.kind === "packet" ? { ...event, packet: encode(event.packet) } : event,
    sent: actions.flatMap((each) => (each.kind === "send" ? [{ ...each, packet: encode(each.packet) }] : [])),
    routes: actions.flatMap((each) => (each.kind === "routes" ? [each] : [])),
  });
  return actions;
};

const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
const nothing = (): void => undefined;
const driver = new OspfDriver(
  loop,
  plan,
  {
    bfd: nothing,
    event: nothing,
    report: (report) => say({ ifname: report.ifname, neighbors: report.neighbors.map(({ state }) => state) }),
    reportGone: nothing,
  },
  () => Date.now(),
);
const stop = (): void =>
  driver.stop(false, () => {
    driver[Symbol.dispose]();
    closeSync(file);
    loop.stop();
  });
readOrders(loop, stop, () => loop.stop());
loop.run();
