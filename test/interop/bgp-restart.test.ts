/**
 * RFC 4724 with BIRD and FRR, either side restarting: nobody's route to the other is missing for a moment.  A watcher
 * in each host's kernel writes down every route that goes.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatPrefix } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import type { Lab } from "../../lab/build.ts";
import type { Host } from "../../lab/host.ts";
import { missing } from "../../lab/peers/installed.ts";
import { inside } from "../../netstack/kernel/namespace.ts";
import { watch } from "../../netstack/kernel/netlink/watch.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { MAKES, type Pair, type PairSpec, pairOf, THEIRS4, THEIRS6 } from "./bgp-peers.ts";
import { bgpLab, routed, VIP4, VIP6 } from "./bgp-router.ts";

const MISSING = missing("bird", "frr");
const GRACE = { restartTime: 60_000, stalePathTime: 60_000, longLived: undefined, notification: true };

describe.skipIf(MISSING !== undefined).each(MAKES)("graceful restart with %s", (make) => {
  let lab: Lab;
  let pair: Pair | undefined;
  beforeAll(async () => {
    lab = await bgpLab();
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await pair?.[Symbol.asyncDispose]();
    pair = undefined;
  });

  async function settled(spec: Omit<PairSpec, "make"> = {}): Promise<Pair> {
    const theirs = { gracefulRestart: { restartTime: 60 } };
    const made = await pairOf(lab, { make, theirs, own: { gracefulRestart: GRACE }, ...spec });
    pair = made;
    await made.us.established();
    await everywhere(made);
    // Their End-of-RIB, and ours: only then is a restart of either side a restart.
    await made.us.until("its routes", () => made.us.peer()?.families.every(({ accepted }) => accepted === 1));
    return made;
  }
  async function everywhere({ explain }: Pair): Promise<void> {
    for (const prefix of [VIP4, VIP6]) await routed(lab.host("r"), prefix, true, explain);
    for (const prefix of [THEIRS4, THEIRS6]) await routed(lab.host("a"), prefix, true, explain);
  }

  test("ours is killed and starts again: our VIPs stay in its kernel, its routes in ours", async () => {
    const both = await settled();
    using there = new Losses(lab.host("r"), [VIP4, VIP6]);
    using here = new Losses(lab.host("a"), [THEIRS4, THEIRS6]);
    await both.us.kill();
    both.us.start();
    await both.us.established();
    await both.us.until("its routes", () => both.us.peer()?.families.every(({ accepted }) => accepted === 1));
    await everywhere(both);
    nothingLost(there, both);
    nothingLost(here, both);
    expect(both.us.events.filter(({ name }) => name === "vip.address-refused")).toEqual([]);
  });

  test("ours is told to stop and keep: the same, and our address stays as well", async () => {
    const both = await settled();
    using there = new Losses(lab.host("r"), [VIP4, VIP6]);
    using here = new Losses(lab.host("a"), [THEIRS4, THEIRS6]);
    await both.us.stop(true);
    const { stdout } = await lab.host("a").exec("ip", ["-br", "address", "show", "dev", "lo"]);
    expect(stdout).toMatch(/192\.0\.2\.10\/32/);
    both.us.start();
    await both.us.established();
    await everywhere(both);
    nothingLost(there, both);
    nothingLost(here, both);
  });

  test("a network that is gone after the restart goes there too, once all has been said", async () => {
    const both = await settled();
    await both.us.kill();
    both.us.replan((plan) => ({
      ...plan,
      vips: [{ name: "v", addresses: [VIP4], eligible: true, why: "", ports: [] }],
      bgp: plan.bgp && { ...plan.bgp, networks: plan.bgp.networks.filter(({ prefix }) => prefix === VIP4) },
    }));
    both.us.start();
    await both.us.established();
    await routed(lab.host("r"), VIP6, false, both.explain);
    await routed(lab.host("r"), VIP4, true, both.explain);
  });

  test("theirs is killed and starts again: its routes stay in our kernel while it is away", async () => {
    const both = await settled({ recovers: true });
    using here = new Losses(lab.host("a"), [THEIRS4, THEIRS6]);
    if (both.router.make === "bird") await both.router.restart("SIGKILL");
    else {
      await both.router.end("bgpd", "SIGKILL");
      await both.us.until("kept", () => both.us.peer()?.families.every(({ stale }) => stale > 0));
      await both.router.restart("bgpd");
    }
    await both.us.until("Established again", () => (both.us.peer()?.established ?? 0) === 2);
    await both.us.until("no longer stale", () =>
      both.us.peer()?.families.every(({ stale, accepted }) => stale === 0 && accepted === 1),
    );
    nothingLost(here, both);
    await routed(lab.host("r"), VIP4, true, both.explain);
  });
});

function nothingLost(losses: Losses, { explain }: Pair): void {
  const lost = losses.list();
  if (lost.length > 0) throw new Error(`lost: ${lost.join(", ")}\n${explain()}`);
}

/** Routes to certain prefixes that the kernel of a host lost while this watched. */
class Losses implements Disposable {
  readonly #lost: string[] = [];
  readonly #loop = openLoop({ engine: "epoll", log: SILENT });
  readonly #watch: Disposable;

  constructor(host: Host, prefixes: readonly string[]) {
    this.#watch = inside(host.namespace, () =>
      watch(this.#loop, ["routes"], {
        changed: (change) => {
          if (change.kind !== "route" || !change.gone) return;
          const prefix = formatPrefix(change.route.destination);
          if (change.route.table === 254 && prefixes.includes(prefix)) this.#lost.push(prefix);
        },
      }),
    );
  }

  list(): readonly string[] {
    for (let turn = 0; turn < 10; turn++) this.#loop.turn(false);
    return this.#lost;
  }
  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#loop[Symbol.dispose]();
  }
}
