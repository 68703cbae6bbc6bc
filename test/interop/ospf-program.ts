/**
 * One OSPF router of ours in a host of a lab: the driver and its machines alone, without the daemon.  Lines of JSON:
 * orders on stdin, what the router tells on stdout.
 */
import { readSync, writeSync } from "node:fs";
import { SILENT } from "../../base/log.ts";
import { ms } from "../../base/unit.ts";
import { BfdDriver } from "../../netstack/bfd/driver/bfd-driver.ts";
import type { BfdSpec } from "../../netstack/bfd/plan.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { OspfDriver } from "../../netstack/ospf/driver/ospf-driver.ts";
import type { OspfInterfaceReport } from "../../netstack/ospf/plan.ts";
import type { FromOspf, ToOspf } from "./ospf-words.ts";

function tell(message: FromOspf): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
let driver: OspfDriver | undefined;

/** With `--bfd`: the sessions that are asked for run here, in pulse's driver. */
const bfd = process.argv.includes("--bfd")
  ? new BfdDriver({
      loop,
      tell: (news) => {
        if (news.kind === "bfd") driver?.bfd(news.report);
      },
      tracer: { active: false, line: () => undefined },
      wall: () => Date.now(),
    })
  : undefined;

function obey(order: ToOspf): void {
  if (order.kind === "plan") {
    if (driver !== undefined) return driver.plan(order.plan);
    const notes = {
      bfd: (sessions: readonly BfdSpec[]) => {
        tell({ kind: "bfd", sessions });
        // As it comes from pulse through control: plain data.
        bfd?.plan({ sessions: JSON.parse(JSON.stringify(sessions)) as readonly BfdSpec[], unsolicited: [] });
      },
      event: (name: string, fields: Readonly<Record<string, unknown>>) => tell({ kind: "event", name, fields }),
      report: (report: OspfInterfaceReport) => tell({ kind: "report", report }),
      reportGone: (_version: 2 | 3, ifname: string) => tell({ kind: "report-gone", ifname }),
    };
    driver = new OspfDriver(loop, order.plan, notes, () => Date.now());
    if (!process.argv.includes("--silent")) driver.trace(undefined, (line) => tell({ kind: "trace", line }));
    return;
  }
  if (driver === undefined) throw new TypeError(`"${order.kind}" before the first plan`);
  switch (order.kind) {
    case "bfd":
      return driver.bfd(order.report);
    case "withdraw":
      return driver.withdraw(ms(order.grace), () => tell({ kind: "withdrawn" }));
    case "stop":
      return driver.stop(order.keep, () => {
        tell({ kind: "stopped" });
        driver?.[Symbol.dispose]();
        loop.stop();
      });
    case "ask":
      return tell({ kind: "answer", lsas: driver.database(), routes: driver.routes() });
  }
}

let rest = "";
const buffer = Buffer.alloc(1 << 16);
const input = loop.watch(0, () => {
  const length = readSync(0, buffer);
  if (length === 0) {
    input[Symbol.dispose]();
    driver?.[Symbol.dispose]();
    return loop.stop();
  }
  const lines = (rest + buffer.toString("utf8", 0, length)).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) obey(JSON.parse(line) as ToOspf);
});
tell({ kind: "ready" });
loop.run();
loop[Symbol.dispose]();
process.exit(0);
