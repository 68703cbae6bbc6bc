/** Messages and transitions as one line each, for `novactl trace`; costs nothing while nobody looks. */
import { type Core, type Link, type Peer, traces } from "./core.ts";
import { decode } from "./packet/codec.ts";
import { Interner } from "./packet/interner.ts";
import type { Agreed, Message, Refused } from "./packet/message.ts";
import { describe, refusedText } from "./packet/text.ts";
import type { SessionAction } from "./session-state.ts";

export function traceMessage(core: Core, peer: Peer, direction: "in" | "out", message: Message): void {
  if (traces(core, peer)) core.out.push({ kind: "trace", peer: peer.name, direction, text: describe(message) });
}
/** What came and cannot be taken. */
export function traceRefused(core: Core, peer: Peer, refused: Refused): void {
  if (traces(core, peer))
    core.out.push({ kind: "trace", peer: peer.name, direction: "in", text: refusedText(refused) });
}
export function traceState(
  core: Core,
  { peer }: Link,
  { from, to, why }: Extract<SessionAction, { readonly kind: "moved" }>,
): void {
  if (traces(core, peer))
    core.out.push({ kind: "trace", peer: peer.name, direction: "state", text: `${from} → ${to}: ${why}` });
}
/** What the writer made, read again: nobody else knows it as a message. */
export function tracedOctets(core: Core, peer: Peer, messages: readonly Uint8Array[], agreed: Agreed): void {
  if (!traces(core, peer)) return;
  // What we send carries no path identifiers, whatever the peer's does.
  const ours: Agreed = { ...agreed, addPathReceive: [], mostIn: agreed.mostOut, firstAsn: undefined };
  for (const bytes of messages) {
    const decoded = decode(bytes, 0, bytes.length, ours, new Interner());
    if (decoded.ok) traceMessage(core, peer, "out", decoded.value);
  }
}
