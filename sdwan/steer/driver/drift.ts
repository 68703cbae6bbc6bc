/** Somebody changed what steering has put into the kernel, or the interfaces that it stands on: told once for many. */
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ROUTE_PROTOCOL, RULE_PREFERENCE } from "../../../netstack/kernel/marks.ts";
import { type Change, watch } from "../../../netstack/kernel/netlink/watch.ts";
import { watchRuleset } from "../../../netstack/kernel/netlink/watch-ruleset.ts";

export interface DriftListener {
  /** Of interfaces with these names, and what belongs to us, something is not as it was. */
  drifted(): void;
  /** The watch itself broke; nothing more will come from it. */
  failed(errno: number): void;
  /** Whether an interface or a table matters. */
  isDevice(ifname: string): boolean;
  isIndex(index: number): boolean;
  isTable(table: number): boolean;
}

/** `except`: the socket whose changes are our own. */
export function watchDrift(loop: Loop, except: number, on: DriftListener): Disposable {
  let waiting: Disposable | undefined;
  const dirty = (): void => {
    waiting ??= loop.wakeAt(after(loop.now(), PAUSE), () => {
      waiting = undefined;
      on.drifted();
    });
  };
  const routes = watch(
    loop,
    ["links", "addresses", "rules", "routes"],
    {
      changed: (change) => {
        if (matters(change, on)) dirty();
      },
      failed: (errno) => on.failed(errno),
    },
    except,
    // Others may keep a hundred thousand.
    ROUTE_PROTOCOL,
  );
  const rules = watchRuleset(loop, { changed: dirty, failed: (errno) => on.failed(errno) });
  return {
    [Symbol.dispose]: () => {
      waiting?.[Symbol.dispose]();
      routes[Symbol.dispose]();
      rules[Symbol.dispose]();
    },
  };
}

function matters(change: Change, on: DriftListener): boolean {
  switch (change.kind) {
    case "link":
      return on.isDevice(change.link.name);
    case "rule":
      return change.rule.preference >= RULE_PREFERENCE.first && change.rule.preference <= RULE_PREFERENCE.last;
    case "route":
      return change.route.protocol === ROUTE_PROTOCOL && on.isTable(change.route.table);
    case "address":
      return on.isIndex(change.address.index);
    case "resync":
      return true;
    case "neighbour":
      return false;
  }
}

/** Long enough for a change that comes in parts to be whole. */
const PAUSE = ms(20);
