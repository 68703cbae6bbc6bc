/** Who speaks BFD in a trial: ours, FRR's bfdd or BIRD, the same one at both ends. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FromPulse, ToPulse } from "../../daemon/pulse/words.ts";
import type { Lab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { until } from "../../lab/peers/until.ts";
import type { BfdPlan, BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import { spawnInside } from "../../netstack/kernel/namespace.ts";
import { openParentChannel } from "../../netstack/kernel/parent-channel.ts";

export interface Timing {
  /** Milliseconds. */
  readonly interval: number;
  readonly multiplier: number;
}

export interface Pair {
  readonly local: string;
  readonly peer: string;
}

export interface Subject {
  readonly name: string;
  /** What its configuration takes. */
  readonly leastInterval: number;
  start(lab: Lab, host: string, pairs: readonly Pair[], timing: Timing): Promise<Speaker>;
}

export interface Speaker extends AsyncDisposable {
  /** The process that speaks BFD. */
  readonly pid: number;
  /** Sessions that are up now. */
  up(): Promise<number>;
  /** Sessions lost since it was started. */
  flaps(): Promise<number>;
}

export const NOVAEDGE: Subject = {
  name: "novaedge",
  leastInterval: 1,
  async start(lab, host, pairs, timing) {
    const reports = new Map<string, BfdReport>();
    let look: (() => void) | undefined;
    const channel = openParentChannel(
      {
        received(message) {
          const said = message as FromPulse;
          if (said.kind === "bfd") reports.set(said.report.id, said.report);
          if (said.kind === "bfd-strays") look?.();
        },
        ended: () => undefined,
      },
      false,
    );
    const [end] = channel.childEnds;
    if (end === undefined) throw new TypeError("a channel without an end for the child");
    const program = join(import.meta.dirname, "../../daemon/pulse/main.ts");
    const child = spawnInside(lab.host(host).namespace, process.execPath, [program], {
      stdio: ["ignore", "inherit", "inherit", end],
    });
    channel.spawned();
    const send = (message: ToPulse): void => channel.send(message);
    const plan: BfdPlan = { sessions: pairs.map((pair) => specOf(pair, timing)), unsolicited: [] };
    send({ kind: "bfd", plan });
    const fresh = async (): Promise<readonly BfdReport[]> => {
      const told = new Promise<void>((resolve) => (look = resolve));
      send({ kind: "bfd-report" });
      await told;
      return [...reports.values()];
    };
    return {
      pid: child.pid ?? -1,
      up: async () => (await fresh()).filter(({ state }) => state === "up").length,
      flaps: async () => (await fresh()).reduce((sum, { flaps }) => sum + flaps, 0),
      async [Symbol.asyncDispose]() {
        channel[Symbol.dispose]();
        child.kill("SIGKILL");
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      },
    };
  },
};

export const FRR: Subject = {
  name: "frr",
  leastInterval: 10,
  async start(lab, host, pairs, { interval, multiplier }) {
    const peers = pairs.flatMap(({ local, peer }) => [
      ` peer ${peer} local-address ${local} interface eth0`,
      `  receive-interval ${interval}`,
      `  transmit-interval ${interval}`,
      `  detect-multiplier ${multiplier}`,
      " exit",
    ]);
    const frr = await startFrr(lab.host(host), ["bfd", ...peers, "exit", ""].join("\n"), {
      daemons: ["zebra", "bfdd"],
    });
    const { pathspace } = frr;
    interface Peer {
      readonly status: string;
      readonly "session-down": number;
    }
    return {
      pid: Number(readFileSync(`/var/run/frr/${pathspace}/bfdd.pid`, "utf8")),
      async up() {
        const all = await frr.json<readonly Peer[]>("bfdd", "show bfd peers json");
        return all.filter(({ status }) => status === "up").length;
      },
      async flaps() {
        const all = await frr.json<readonly Peer[]>("bfdd", "show bfd peers counters json");
        return all.reduce((sum, each) => sum + each["session-down"], 0);
      },
      [Symbol.asyncDispose]: () => frr[Symbol.asyncDispose](),
    };
  },
};

export const BIRD: Subject = {
  name: "bird",
  leastInterval: 1,
  async start(lab, host, pairs, { interval, multiplier }) {
    const micros = Math.round(interval * 1000);
    const times = `min rx interval ${micros} us; min tx interval ${micros} us; idle tx interval 200 ms; multiplier ${multiplier};`;
    const neighbors = pairs.map(({ local, peer }) => `neighbor ${peer} dev "eth0" local ${local};`).join(" ");
    const bird = await startBird(
      lab.host(host),
      [
        `router id 10.0.0.${host === "x" ? 1 : 2};`,
        "protocol device {}",
        `protocol bfd { debug { events }; interface "eth0" { ${times} }; ${neighbors} }`,
      ].join("\n"),
    );
    return {
      pid: Number(readFileSync(join(lab.host(host).directory, `bird-${host}`, "pid"), "utf8")),
      up: async () => [...(await bird.ask("show bfd sessions")).matchAll(/ Up /g)].length,
      flaps: () => Promise.resolve([...bird.log().matchAll(/changed state from Up to Down/g)].length),
      [Symbol.asyncDispose]: () => bird[Symbol.asyncDispose](),
    };
  },
};

/** Both ends, with every session up; `x` is the one that is measured. */
export async function openPair(
  lab: Lab,
  subject: Subject,
  pairs: readonly Pair[],
  timing: Timing,
): Promise<{ readonly x: Speaker; readonly y: Speaker } & AsyncDisposable> {
  const reversed = pairs.map(({ local, peer }) => ({ local: peer, peer: local }));
  const x = await subject.start(lab, "x", pairs, timing);
  const y = await subject.start(lab, "y", reversed, timing);
  const pair = {
    x,
    y,
    async [Symbol.asyncDispose]() {
      await x[Symbol.asyncDispose]();
      await y[Symbol.asyncDispose]();
    },
  };
  try {
    for (const end of [x, y]) {
      await until(`${subject.name}: ${pairs.length} sessions`, async () => (await end.up()) === pairs.length, {
        within: 60_000,
        every: 100,
      });
    }
    return pair;
  } catch (cause) {
    await pair[Symbol.asyncDispose]();
    throw cause;
  }
}

function specOf({ local, peer }: Pair, { interval, multiplier }: Timing): BfdSpec {
  const timing = { desiredMinTx: interval, requiredMinRx: interval, multiplier };
  return {
    id: peer,
    peer,
    local,
    ifname: "eth0",
    hops: "single",
    minTtl: 255,
    role: "active",
    timing: { ...timing, echoTx: undefined, requiredMinEchoRx: 0, demand: false },
    auth: undefined,
    adminDown: false,
  };
}
