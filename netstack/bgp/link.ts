/**
 * A session and its connection: what the state machine asks for is done here, and octets become its events.  What
 * concerns the peer as a whole (which of two connections lives) is peer.ts; routes are established.ts.
 */
import { unreachable } from "../../base/result.ts";
import type { Instant } from "../../base/unit.ts";
import { type Core, event, type Link, type Peer, refuse } from "./core.ts";
import { malformedUpdate } from "./malformed.ts";
import { type Negotiated, openOf } from "./negotiate.ts";
import { BEFORE_OPEN, decode, encode } from "./packet/codec.ts";
import { Framer, kindAt } from "./packet/framing.ts";
import { Interner } from "./packet/interner.ts";
import type { Message, Refused, Update } from "./packet/message.ts";
import { hardReset, hardResetReason, shutdownText } from "./packet/notification.ts";
import { sessionOf, step } from "./session.ts";
import type { Ending, SessionAction, SessionConfig, SessionEvent } from "./session-state.ts";
import { traceMessage, traceRefused, traceState } from "./trace.ts";

export function linkOf(peer: Peer, config: SessionConfig, incoming: boolean): Link {
  return {
    peer,
    incoming,
    session: sessionOf(config),
    connection: undefined,
    ends: undefined,
    framer: new Framer(),
    interner: new Interner(),
    ours: undefined,
  };
}

/** An event at one session, and all that follows.  True: the message that it stands for may be looked at. */
export function feed(core: Core, link: Link, what: SessionEvent, now: Instant): boolean {
  const before = link.session;
  const [session, actions] = step(before, what, now, core.jitter());
  link.session = session;
  let deliver = false;
  for (const action of actions) {
    if (action.kind === "deliver") deliver = true;
    else perform(core, link, action, now);
  }
  // Most updates change nothing but routes.
  if (link.session !== before || actions.length > (deliver ? 1 : 0)) core.on.settled(link, now);
  return deliver;
}

function perform(core: Core, link: Link, action: Exclude<SessionAction, { kind: "deliver" }>, now: Instant): void {
  const { peer } = link;
  switch (action.kind) {
    case "connect":
      connect(core, link);
      return;
    case "send-open":
      link.ours = openOf(peer.spec, identityOf(core, peer));
      say(core, link, link.ours, now);
      return;
    case "send-keepalive":
      say(core, link, { kind: "keepalive" }, now);
      return;
    case "send-notification":
      notify(core, link, action.ending, now);
      return;
    case "close":
      close(core, link, action.reset);
      return;
    case "up":
      core.on.begin(link, action.negotiated, now);
      return;
    case "down":
      core.on.end(peer, action, now);
      return;
    case "moved":
      traceState(core, link, action);
      core.on.moved(link, action, now);
      return;
    default:
      unreachable(action);
  }
}

export function identityOf(core: Core, peer: Peer): Parameters<typeof openOf>[1] {
  const asn = peer.spec.localAsn ?? core.plan?.asn ?? 0;
  // The kernel forwards whether or not a session is up: only before our first one is it a matter of what was kept.
  const first = peer.established === 0;
  return {
    asn,
    routerId: core.routerId,
    restarting: core.restarting && first,
    forwarding: core.restarting || !first,
  };
}

function connect(core: Core, link: Link): void {
  const { peer } = link;
  // Unnumbered, and nobody is there yet: the next retry, or `discovered`, will call.
  if (peer.address === undefined || core.stopped) return;
  link.incoming = false;
  link.connection = core.allot();
  core.links.set(link.connection, link);
  const { spec } = peer;
  core.out.push({
    kind: "connect",
    connection: link.connection,
    call: { peer: peer.name, ip: peer.address, port: spec.port, ifname: spec.ifname, session: spec },
  });
}
export function close(core: Core, link: Link, reset: boolean): void {
  const { connection } = link;
  forget(core, link);
  if (connection !== undefined) core.out.push({ kind: "close", connection, reset });
}
/** The connection is no more. */
export function forget(core: Core, link: Link): void {
  if (link.connection !== undefined) core.links.delete(link.connection);
  link.connection = undefined;
  link.framer = new Framer();
  link.interner = new Interner();
  link.ends = undefined;
  link.ours = undefined;
}

/** A transport, ours or theirs, is there. */
export function connected(core: Core, link: Link, now: Instant): void {
  feed(core, link, { kind: "tcp-connected" }, now);
}

function say(core: Core, link: Link, message: Exclude<Message, Update>, now: Instant): void {
  const bytes = encode(message, link.session.negotiated?.agreed ?? BEFORE_OPEN);
  traceMessage(core, link.peer, "out", message);
  link.peer.messages[message.kind].out++;
  sendBytes(core, link, bytes, now);
}
export function sendBytes(core: Core, link: Link, bytes: Uint8Array, now: Instant): void {
  if (link.connection === undefined) return;
  core.out.push({ kind: "send", connection: link.connection, bytes });
  wrote(link, bytes.length, now);
}
/** For the SendHoldTimer (RFC 9687). */
export function wrote(link: Link, octets: number, now: Instant): void {
  [link.session] = step(link.session, { kind: "written", octets }, now);
}

function notify(core: Core, link: Link, ending: Ending, now: Instant): void {
  const { peer } = link;
  const hard = isHard(link.session.negotiated ?? peer.up?.negotiated, ending);
  const message = hard ? hardReset(ending) : ending;
  peer.lastError = `${ending.reason} sent`;
  event(core, "warn", "bgp.ending", { peer: peer.name, reason: ending.reason });
  say(core, link, { kind: "notification", ...message }, now);
}
/** RFC 8538 §3.1, §5: where the peer would keep our routes over a NOTIFICATION, say that it shall not. */
function isHard(negotiated: Negotiated | undefined, { reason }: Ending): boolean {
  return negotiated?.graceful?.notification === true && reason.startsWith("cease/") && !SOFT.has(reason);
}

export function received(core: Core, link: Link, bytes: Uint8Array, now: Instant): void {
  const { framer, connection } = link;
  const refused = framer.feed(bytes, 0, bytes.length, (octets, start, last) => {
    take(core, link, octets, start, last, now);
    return link.connection === connection;
  });
  if (refused !== undefined && link.connection === connection) broken(core, link, refused, now);
}

function take(core: Core, link: Link, bytes: Uint8Array, start: number, last: number, now: Instant): void {
  const { peer } = link;
  const kind = kindAt(bytes, start);
  if (kind === undefined) throw new TypeError("a framer let an unknown type pass");
  peer.messages[kind].in++;
  const { state, negotiated } = link.session;
  // Nothing is read that has no business here: the machine refuses it by its kind (RFC 6608).
  if ((kind === "update" || kind === "route-refresh") && state !== "established") {
    feed(core, link, { kind }, now);
    return;
  }
  const decoded = decode(bytes, start, last, negotiated?.agreed ?? BEFORE_OPEN, link.interner);
  if (!decoded.ok) {
    if (kind === "update") malformedUpdate(core, peer, decoded.error, bytes, start, last);
    broken(core, link, decoded.error, now);
    return;
  }
  if (decoded.value.kind === "update") malformedUpdate(core, peer, decoded.value, bytes, start, last);
  traceMessage(core, peer, "in", decoded.value);
  handle(core, link, decoded.value, now);
}

function handle(core: Core, link: Link, message: Message, now: Instant): void {
  const { peer } = link;
  switch (message.kind) {
    case "open":
      core.on.opened(link, message, now);
      return;
    case "keepalive":
      feed(core, link, { kind: "keepalive" }, now);
      return;
    case "notification": {
      const { reason } = message;
      const inner = hardResetReason(message);
      const text = shutdownText(message);
      peer.lastError = `${reason}${inner ? ` (${inner.reason})` : ""} received${text ? `: ${text}` : ""}`;
      event(core, "warn", "bgp.notified", { peer: peer.name, reason, inner: inner?.reason, text });
      feed(core, link, { kind: "notification", reason }, now);
      return;
    }
    case "update":
      if (feed(core, link, { kind: "update" }, now)) core.on.updated(peer, message, now);
      return;
    case "route-refresh":
      if (feed(core, link, { kind: "route-refresh" }, now)) core.on.refreshed(peer, message, now);
      return;
    default:
      unreachable(message);
  }
}

function broken(core: Core, link: Link, refused: Refused, now: Instant): void {
  const { peer } = link;
  traceRefused(core, peer, refused);
  refuse(peer, refused.attribute === undefined ? refused.kind : `${refused.kind}/${refused.attribute}`);
  const ending = { reason: refused.reason, data: refused.data };
  const kind = refused.reason.startsWith("message-header/")
    ? "header-error"
    : refused.reason.startsWith("open-message/")
      ? "open-error"
      : "update-error";
  feed(core, link, { kind, ending }, now);
}

/** Refused for what it says, not for how. */
export function refuseOpen(core: Core, link: Link, ending: Ending, now: Instant): void {
  refuse(link.peer, ending.reason);
  feed(core, link, { kind: "open-error", ending }, now);
}

/** Whoever has the address of it now should be called now. */
export function hurry(core: Core, link: Link, now: Instant): void {
  const { state, config } = link.session;
  if (config.active && link.connection === undefined && (state === "connect" || state === "active"))
    feed(core, link, { kind: "connect-retry-expired" }, now);
}

/** Cease subcodes that leave the routes alone: the session comes right back. */
const SOFT: ReadonlySet<string> = new Set([
  "cease/connection-collision-resolution",
  "cease/connection-rejected",
  "cease/out-of-resources",
]);
