/**
 * The processes that carry protocol engines as control sees them (pulse, routing, wan), wired to each other: what one says
 * that another must hear passes through control, since no two of them are joined.
 */
import type { Clock } from "../base/clock.ts";
import type { Events } from "./events.ts";
import { Bfd } from "./parts/bfd.ts";
import { Routing, type RoutingParts } from "./parts/routing.ts";
import type { RoutingMemory } from "./parts/routing-memory.ts";
import { Traces } from "./parts/traces.ts";
import { Vips, type VipsParts } from "./parts/vips.ts";
import { Wan, type WanParts } from "./parts/wan.ts";

export interface EnginesParts {
  readonly supervise: {
    readonly pulse: VipsParts["supervise"];
    readonly routing: RoutingParts["supervise"];
    readonly wan: WanParts["supervise"];
  };
  readonly memory: RoutingMemory;
  readonly records: WanParts["records"];
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
  readonly changed: () => void;
}

export interface Engines {
  readonly vips: Vips;
  readonly routing: Routing;
  readonly bfd: Bfd;
  readonly wan: Wan;
  readonly traces: Traces;
}

export function connectEngines({ supervise, memory, records, ...common }: EnginesParts): Engines {
  const { clock, events, changed } = common;
  const vips: Vips = new Vips({
    ...common,
    supervise: supervise.pulse,
    other: (message) => (message.kind === "trace" ? traces.received(message) : bfd.received(message)),
    paths: (message) => wan.heard(message),
    greeted: (adopted) => {
      bfd.greet(adopted);
      wan.greet(adopted);
      traces.greet("pulse");
    },
  });
  const routing: Routing = new Routing({
    ...common,
    supervise: supervise.routing,
    memory,
    bfd: (sessions) => bfd.wish(sessions),
    traced: (message) => traces.received(message),
    greeted: () => {
      bfd.inherit();
      traces.greet("routing");
    },
  });
  const bfd = new Bfd({
    tell: (message) => vips.tell(message),
    toRouting: (report) => routing.heard(report),
    clock,
    changed,
  });
  const wan: Wan = new Wan({
    supervise: supervise.wan,
    pulse: (message) => vips.tell(message),
    records,
    clock,
    wall: common.wall, // of shields
    events,
    changed,
  });
  const traces = new Traces({ pulse: (message) => vips.tell(message), routing: (message) => routing.tell(message) });
  return { vips, routing, bfd, wan, traces };
}
