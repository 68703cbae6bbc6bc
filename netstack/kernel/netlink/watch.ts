/**
 * Changes of links, addresses, routes, rules and neighbours, as the kernel reports them; nothing polls.  When the kernel
 * had more to say than the socket could hold (ENOBUFS), what was lost is unknown: `resync` asks the listener to look at
 * everything again.  Standards: rtnetlink(7) multicast groups.
 *
 * A listener that needs a complete picture opens the watch first and lists afterwards, so that no change falls between.
 */
import type { Result } from "../../../base/result.ts";
import { type BpfInstruction, DROP, JUMP_EQUAL, LOAD_HALF, LOAD_OCTET, LOAD_WORD, PASS } from "../bpf.ts";
import { EAGAIN, EINTR, ENOBUFS } from "../errno.ts";
import { close, errno, recv } from "../libc.ts";
import type { Loop } from "../loop.ts";
import { attach } from "../sockets.ts";
import { type Address, decodeAddress, RTM_DELADDR, RTM_NEWADDR } from "./address.ts";
import type { Malformed } from "./attribute.ts";
import { NETLINK_ROUTE, openListening } from "./client.ts";
import { decodeLink, type Link, RTM_DELLINK, RTM_NEWLINK } from "./link.ts";
import { decodeMessages, type Message } from "./message.ts";
import { decodeNeighbour, type Neighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from "./neighbour.ts";
import { u16, u32 } from "./octets.ts";
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

/**
 * Watches the network namespace that the calling thread is in.  What the netlink socket `except` changes is not told; of
 * routes, only those of the protocol `routesOf`, if it is given.
 */
export function watch(
  loop: Loop,
  topics: readonly Topic[],
  on: Watcher,
  except?: number,
  routesOf?: number,
): Disposable {
  const groups = topics.flatMap((topic) => GROUPS[topic]);
  const fd = openListening(NETLINK_ROUTE, groups);
  const filter = [...(except === undefined ? [] : notBy(except)), ...(routesOf === undefined ? [] : onlyOf(routesOf))];
  if (filter.length > 0) attach(fd, [...filter, PASS]);
  const socket = new Listening(loop, fd, on);
  return { [Symbol.dispose]: () => socket.close() };
}

/** Reads for itself: an overrun is an error of the socket, which loops would have to tell from a shortage of their own. */
class Listening {
  readonly #fd: number;
  readonly #on: Watcher;
  readonly #watching: Disposable;
  readonly #buffer = new Uint8Array(BUFFER);
  #open = true;
  #overrun = false;

  constructor(loop: Loop, fd: number, on: Watcher) {
    this.#fd = fd;
    this.#on = on;
    this.#watching = loop.watch(fd, () => this.#ready());
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watching[Symbol.dispose]();
    close(this.#fd);
  }

  #ready(): void {
    for (let share = SHARE; share > 0 && this.#open; share--) {
      const length = recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT | MSG_TRUNC);
      if (length >= 0) this.#received(length);
      else if (errno() === EAGAIN) return this.#drained();
      else if (errno() === ENOBUFS) this.#overrun = true;
      else if (errno() !== EINTR) return this.#failed(errno());
    }
  }

  #received(length: number): void {
    // What is left in the queue is older than the picture that the listener is about to take.
    if (this.#overrun) return;
    const changes = length > this.#buffer.length ? undefined : decodeChanges(this.#buffer.subarray(0, length));
    if (changes === undefined) this.#on.changed({ kind: "resync", why: "unreadable" });
    else for (const change of changes) if (this.#open) this.#on.changed(change);
  }

  /** Only now: until its queue is empty the kernel goes on dropping changes, and says so no second time. */
  #drained(): void {
    if (!this.#overrun) return;
    this.#overrun = false;
    this.#on.changed({ kind: "resync", why: "overrun" });
  }

  #failed(number: number): void {
    this.close();
    this.#on.failed?.(number);
  }
}

/** A filter in the kernel, since whoever changes many routes would be told of each: the author is nlmsg_pid, a host-order word. */
function notBy(port: number): readonly BpfInstruction[] {
  const [a, b, c, d] = u32(port);
  const swapped = (((a ?? 0) << 24) | ((b ?? 0) << 16) | ((c ?? 0) << 8) | (d ?? 0)) >>> 0;
  return [[LOAD_WORD, 0, 0, 12], [JUMP_EQUAL, 0, 1, swapped], DROP];
}

/** The same for routes that somebody else changes: rtm_protocol, where nlmsg_type says that it is a route. */
function onlyOf(protocol: number): readonly BpfInstruction[] {
  return [
    [LOAD_HALF, 0, 0, 4],
    [JUMP_EQUAL, 1, 0, halfOf(RTM_NEWROUTE)],
    [JUMP_EQUAL, 0, 3, halfOf(RTM_DELROUTE)],
    [LOAD_OCTET, 0, 0, 16 + 5],
    [JUMP_EQUAL, 1, 0, protocol],
    DROP,
  ];
}

/** A half word in host order, as classic BPF loads it: as if it were in network order. */
function halfOf(value: number): number {
  const [a, b] = u16(value);
  return ((a ?? 0) << 8) | (b ?? 0);
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

/** Datagrams in one turn of the loop, which others share. */
const SHARE = 64;
const BUFFER = 64 * 1024;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
/** RTNLGRP_*: for addresses, routes and rules one group for each family. */
const GROUPS: Readonly<Record<Topic, readonly number[]>> = {
  links: [1],
  neighbours: [3],
  addresses: [5, 9],
  routes: [7, 11],
  rules: [8, 19],
};
