/** What waits for a peer, as messages: pulled by the driver while the connection takes more. */
import type { Instant } from "../../base/unit.ts";
import { type Channel, type Core, event, type Peer, type Up } from "./core.ts";
import { wrote } from "./link.ts";
import { encode } from "./packet/codec.ts";
import { endOfRib, type UpdateWriter } from "./packet/packing.ts";
import type { BgpSession } from "./plan.ts";
import type { PrefixId } from "./prefixes.ts";
import type { Batch } from "./rib-out.ts";
import { tracedOctets } from "./trace.ts";

/** At least one message if anything waits; about `room` octets of them. */
export function pull(core: Core, peer: Peer, writer: UpdateWriter, room: number, now: Instant): readonly Uint8Array[] {
  const { up } = peer;
  if (up === undefined) return [];
  const messages = up.extra.splice(0);
  peer.messages["route-refresh"].out += messages.length;
  let left = room - octetsOf(messages);
  if (!isDeferred(core, up)) {
    for (const channel of up.families.values()) {
      if (left <= 0 && messages.length > 0) break;
      if (!channel.out.waiting) continue;
      const from = messages.length;
      batch(core, peer, up, channel, writer, Math.max(1, left), messages);
      left -= octetsOf(messages.slice(from));
    }
  }
  tracedOctets(core, peer, messages, up.negotiated.agreed);
  wrote(up.link, octetsOf(messages), now);
  if (messages.length === 0) up.told = false;
  else core.changed.add(peer.name);
  return messages;
}

/** RFC 4724 §4.1: a peer that kept our routes hears them when we know what they are; the others hear at once. */
export function isDeferred(core: Core, up: Up): boolean {
  const { peer } = up.link;
  return core.deferral?.over === false && up.negotiated.graceful !== undefined && keepsOurs(peer.spec);
}
/** Who is asked to keep our routes while we restart. */
export function keepsOurs({ gracefulRestart }: BgpSession): boolean {
  return gracefulRestart !== undefined && gracefulRestart.helperOnly !== true;
}
export function isWaiting(core: Core, peer: Peer): boolean {
  const { up } = peer;
  if (up === undefined) return false;
  if (up.extra.length > 0) return true;
  return !isDeferred(core, up) && [...up.families.values()].some(({ out }) => out.waiting);
}

function batch(
  core: Core,
  peer: Peer,
  up: Up,
  channel: Channel,
  writer: UpdateWriter,
  room: number,
  messages: Uint8Array[],
): void {
  const { agreed } = up.negotiated;
  const { family, out, exporter } = channel;
  const { table } = core.ribs[family];
  const silent = core.drain?.silent === true;
  const taken: Batch = out.next(room, {
    bound: table.bound,
    exported: (prefix) => (silent ? 0 : exporter.apply(prefix)),
    wireLength: (prefix) => table.wireLength(prefix),
  });
  const write = (prefixes: readonly PrefixId[], begin: () => boolean): boolean => {
    if (prefixes.length === 0) return true;
    if (!begin()) return false;
    for (const prefix of prefixes) {
      if (!writer.fits(table.wireLength(prefix))) {
        messages.push(writer.finish());
        peer.messages.update.out++;
        begin();
      }
      writer.at = table.write(prefix, writer.bytes, writer.at);
    }
    messages.push(writer.finish());
    peer.messages.update.out++;
    return true;
  };
  if (taken.begin) mark(peer, messages, encode({ kind: "route-refresh", family, what: "begin" }, agreed));
  const withdraw = (): boolean => {
    writer.withdraw(family, agreed);
    return true;
  };
  write(taken.withdrawn, withdraw);
  for (const [attributes, prefixes] of taken.announced) {
    const set = core.store.attributes(attributes);
    if (write(prefixes, () => writer.announce(set, family, agreed))) continue;
    // RFC 8654 §4: attributes that leave no room for a prefix; what the peer had of it is no longer true.
    event(core, "warn", "bgp.attributes-too-long", { peer: peer.name, family, prefixes: prefixes.length });
    for (const prefix of prefixes) out.untell(prefix);
    write(prefixes, withdraw);
  }
  if (taken.endOfRib) {
    messages.push(endOfRib(family, agreed));
    peer.messages.update.out++;
  }
  if (taken.end) mark(peer, messages, encode({ kind: "route-refresh", family, what: "end" }, agreed));
}

function mark(peer: Peer, messages: Uint8Array[], bytes: Uint8Array): void {
  peer.messages["route-refresh"].out++;
  messages.push(bytes);
}
function octetsOf(messages: readonly Uint8Array[]): number {
  let octets = 0;
  for (const { length } of messages) octets += length;
  return octets;
}
