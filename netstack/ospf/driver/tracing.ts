/** Trace lines of one OSPF router, for those who asked; without anybody packets are not described. */
import { formatIp, type Ip } from "../../../base/address.ts";
import type { TraceLine } from "../../../base/trace.ts";
import { describe, quad } from "../packet/describe.ts";
import type { Packet } from "../packet/packet.ts";

export class Tracing {
  readonly #realtime: () => number;
  readonly #asked = new Set<Asked>();

  constructor(realtime: () => number) {
    this.#realtime = realtime;
  }

  /** `peer`: router ID, address or interface; undefined = everything. */
  ask(peer: string | undefined, line: (line: TraceLine) => void): Disposable {
    const asked = { peer, line };
    this.#asked.add(asked);
    return { [Symbol.dispose]: () => void this.#asked.delete(asked) };
  }

  packet(direction: "in" | "out", ifname: string, other: Ip, packet: Packet): void {
    if (this.#asked.size === 0) return;
    const names = [ifname, formatIp(other)];
    // What we send to a group is of interest to whoever traces a neighbor that is heard in it.
    if (direction === "in") names.push(quad(packet.routerId));
    const to = direction === "out" ? `to ${formatIp(other)}` : `from ${formatIp(other)}`;
    this.#tell(direction, formatIp(other), names, `${ifname} ${to}: ${describe(packet)}`);
  }

  refused(ifname: string, source: Ip, why: string): void {
    if (this.#asked.size === 0) return;
    const peer = formatIp(source);
    this.#tell("in", peer, [ifname, peer], `${ifname} from ${peer}: refused, ${why}`);
  }

  moved(ifname: string, peer: string, text: string): void {
    this.#tell("state", peer, [ifname, peer], `${ifname} ${peer}: ${text}`);
  }

  #tell(direction: TraceLine["direction"], peer: string, names: readonly string[], text: string): void {
    const at = this.#realtime();
    for (const asked of this.#asked) {
      const isAddressed = direction === "out" && isGroup(peer);
      if (asked.peer === undefined || isAddressed || names.includes(asked.peer))
        asked.line({ at, protocol: "ospf", peer, direction, text });
    }
  }
}

interface Asked {
  readonly peer: string | undefined;
  readonly line: (line: TraceLine) => void;
}

function isGroup(address: string): boolean {
  return address.startsWith("224.") || address.startsWith("ff");
}
