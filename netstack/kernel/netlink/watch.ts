/**
 * Changes of links, addresses, routes, rules and neighbours, as the kernel reports them; nothing polls.  When the kernel
 * had more to say than the socket could hold (ENOBUFS), what was lost is unknown: `resync` asks the listener to look at
 * everything again.  Standards: rtnetlink(7) multicast groups.
 *
 * A listener that needs a complete picture opens the watch first and lists afterwards, so that no change falls between.
 */

import type { Result } from "../../../base/result.ts";
import type { DatagramMeta, Datagrams, Loop } from "../loop.ts";
import { type Address, decodeAddress, RTM_DELADDR, RTM_NEWADDR } from "./address.ts";
import type { Malformed } from "./attribute.ts";
import { NETLINK_ROUTE, openListening } from "./client.ts";
import { decodeLink, type Link, RTM_DELLINK, RTM_NEWLINK } from "./link.ts";
import { decodeMessages, type Message } from "./message.ts";
import { decodeNeighbour, type Neighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from "./neighbour.ts";
import { decodeRoute, type Route, RTM_DELROUTE, RTM_NEWROUTE } from "./route.ts";
import { decodeRule, RTM_DELRULE, RTM_NEWRULE, type Rule } from "./rule.ts";

export type Topic = "links" | "addresses" | "routes" | "rules" | "neighbours";

export type Change =
  | { readonly kind: "link"; readonly gone: boolean; readonly link: Link }
  | { readonly kind: "address"; readonly gone: boolean; readonly address: Address }
  | { readonly kind: "route"; readonly gone: boolean; readonly route: Route }
  | { readonly kind: "rule"; readonly gone: boolean; readonly rule: Rule }
  | { readonly kind: "neighbour"; readonly gone: boolean; readonly neighbour: Neighbour }
  /** Changes were lost: list everything again. */
  | { readonly kind: "resync"; readonly why: "overrun" | "unreadable" };

export interface Watcher {
  changed(change: Change): void;
  /** The socket failed for another reason than an overrun; nothing more will come. */
  failed?(errno: number): void;
}

/** Watches the network namespace that the calling thread is in. */
export function watch(loop: Loop, topics: readonly Topic[], on: Watcher): Disposable {
  const fd = openListening(
    NETLINK_ROUTE,
    topics.flatMap((topic) => GROUPS[topic]),
  );
  return loop.datagrams(fd, {
    received(_socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
      // Only the kernel (port 0) speaks for the kernel; other processes can send to this socket too.
      if (meta.from.length >= 8 && meta.from.subarray(4, 8).some((octet) => octet !== 0)) return;
      const changes = meta.truncated ? undefined : decodeChanges(bytes);
      if (changes === undefined) on.changed({ kind: "resync", why: "unreadable" });
      else for (const change of changes) on.changed(change);
    },
    failed(_socket: Datagrams, errno: number): void {
      if (errno === ENOBUFS) on.changed({ kind: "resync", why: "overrun" });
      else on.failed?.(errno);
    },
  });
}

/** The changes in one datagram; undefined when it cannot be read, which asks for a resync. */
export function decodeChanges(bytes: Uint8Array): readonly Change[] | undefined {
  const messages = decodeMessages(bytes);
  if (!messages.ok) return undefined;
  const out: Change[] = [];
  for (const message of messages.value) {
    const change = decodeChange(message);
    if (change === "refused") return undefined;
    if (change !== undefined) out.push(change);
  }
  return out;
}

function decodeChange(message: Message): Change | "refused" | undefined {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return read(decodeLink(message.payload), (link) => ({ kind: "link", gone: message.type === RTM_DELLINK, link }));
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return read(decodeAddress(message.payload), (address) => ({
        kind: "address",
        gone: message.type === RTM_DELADDR,
        address,
      }));
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return read(decodeRoute(message.payload), (route) => ({
        kind: "route",
        gone: message.type === RTM_DELROUTE,
        route,
      }));
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return read(decodeRule(message.payload), (rule) => ({ kind: "rule", gone: message.type === RTM_DELRULE, rule }));
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return read(decodeNeighbour(message.payload), (neighbour) => ({
        kind: "neighbour",
        gone: message.type === RTM_DELNEIGH,
        neighbour,
      }));
    default:
      return undefined;
  }
}

function read<T>(decoded: Result<T, Malformed>, make: (value: T) => Change): Change | "refused" | undefined {
  if (decoded.ok) return make(decoded.value);
  // Groups carry families that we leave out on purpose (bridge forwarding entries, MPLS): those are no loss.
  return decoded.error.kind === "bad-value" ? undefined : "refused";
}

const ENOBUFS = 105;
/** RTNLGRP_*: for addresses, routes and rules one group for each family. */
const GROUPS: Readonly<Record<Topic, readonly number[]>> = {
  links: [1],
  neighbours: [3],
  addresses: [5, 9],
  routes: [7, 11],
  rules: [8, 19],
};
