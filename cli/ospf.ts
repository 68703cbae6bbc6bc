/** `novactl ospf`: interfaces and neighbors, the link-state database, routes. */
import type { OspfStatus } from "../daemon/admin/routing-api.ts";
import { type Action, type Call, EXIT } from "./command.ts";
import { ageOf, clean, formatOf, paint, printed, table } from "./output.ts";
import { chosen, counted, spanOf } from "./routing.ts";
import { state } from "./status.ts";

export const ospf: Action = async (call) => {
  switch (chosen(call.arguments[0], ["interfaces", "database", "routes"])) {
    case "database":
      return database(call);
    case "routes":
      return routes(call);
    case "interfaces":
      return interfaces(call);
  }
};

const interfaces = async (call: Call): Promise<0> => {
  const answer = await call.client.call("GET /v1/ospf");
  if (await printed(call, answer)) return EXIT.ok;
  const { io } = call;
  if (answer.routers.length === 0) {
    io.err("no OSPF here: neither `ospf` in the settings nor a ProxyVIP of mode OSPF asks for it\n");
    return EXIT.ok;
  }
  for (const { version, routerId, areas, maxMetric, networks } of answer.routers) {
    const last = maxMetric ? ", as the last choice (max-metric)" : "";
    const count = `${networks.length} network${networks.length === 1 ? "" : "s"}`;
    io.out(clean(`OSPFv${version}: router id ${routerId}, areas ${areas.join(", ")}, announces ${count}${last}`));
    io.out("\n");
  }
  io.out(`\n${paint(io, "INTERFACES", "dim")}\n`);
  io.out(
    table(
      io,
      ["VERSION", "INTERFACE", "AREA", "STATE", "DR", "BDR", "NEIGHBORS", "REFUSED"],
      answer.interfaces.map((each) => [
        `v${each.version}`,
        each.ifname,
        each.area,
        state(each.state),
        each.dr,
        each.bdr,
        each.neighbors.length,
        counted(each.refused),
      ]),
    ),
  );
  io.out(`\n${paint(io, "NEIGHBORS", "dim")}\n${neighborTable(call, answer.interfaces)}`);
  return EXIT.ok;
};

function neighborTable({ io }: Call, all: OspfStatus["interfaces"]): string {
  return table(
    io,
    [
      "VERSION",
      "INTERFACE",
      "ROUTER-ID",
      "ADDRESS",
      "PRIORITY",
      "STATE",
      "FOR",
      "DEAD-IN",
      "RESENT",
      "BFD",
      "LAST-ERROR",
    ],
    all.flatMap(({ version, ifname, neighbors }) =>
      neighbors.map((each) => [
        `v${version}`,
        ifname,
        each.routerId,
        each.address,
        each.priority,
        state(each.state),
        ageOf(io.now() - each.since),
        spanOf(each.deadIn),
        each.retransmissions,
        each.bfd === undefined ? undefined : state(each.bfd),
        each.lastError,
      ]),
    ),
  );
}

const database = async (call: Call): Promise<0> => {
  const answer = await call.client.call("GET /v1/ospf/database");
  if (await printed(call, answer)) return EXIT.ok;
  const hex = (value: number, digits: number): string => `0x${(value >>> 0).toString(16).padStart(digits, "0")}`;
  call.io.out(
    table(
      call.io,
      ["AREA", "TYPE", "ID", "ROUTER", "AGE", "SEQUENCE", "CHECKSUM", "LENGTH"],
      answer.lsas.map((each) => [
        each.area,
        each.type,
        each.id,
        each.advertisingRouter,
        each.age,
        hex(each.sequence, 8),
        hex(each.checksum, 4),
        each.length,
      ]),
    ),
  );
  return EXIT.ok;
};

const routes = async (call: Call): Promise<0> => {
  const answer = await call.client.call("GET /v1/ospf/routes");
  if (await printed(call, answer)) return EXIT.ok;
  const hops = (each: (typeof answer.routes)[number]): string =>
    each.nextHops.map(({ address, ifname }) => (address === undefined ? ifname : `${address}%${ifname}`)).join(" ");
  call.io.out(
    table(
      call.io,
      ["PREFIX", "KIND", "COST", "NEXT-HOPS"],
      answer.routes.map((each) => [each.prefix, each.kind, each.cost, hops(each)]),
    ),
  );
  if (answer.routes.length === 0 && formatOf(call) === "table") call.io.err("no routes found\n");
  return EXIT.ok;
};
