/**
 * Netlink messages: the 16-octet header, acknowledgements and errors with the kernel's own words (extended ack).
 * Standards: RFC 3549 §2.3; include/uapi/linux/netlink.h.
 * Left out on purpose: NLM_F_ECHO, the policy dump (NLMSGERR_ATTR_POLICY), memory-mapped netlink.
 */

import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, type Malformed } from "./attribute.ts";
import { aligned, i32Of, u16, u16Of, u32, u32Of } from "./octets.ts";

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the sender's socket; 0 is the kernel. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** What the kernel says to a request: `errno` 0 is an acknowledgement. */
export interface Verdict {
  readonly errno: number;
  /** The kernel's explanation, when it has one ("Nexthop has invalid gateway."). */
  readonly text: string | undefined;
  /** Offset in the request of the attribute that was refused. */
  readonly offset: number | undefined;
  /** Sequence number of the message that the verdict is about. */
  readonly about: number;
}

/** All messages of one datagram. */
export function decodeMessages(bytes: Uint8Array): Result<readonly Message[], Malformed> {
  const out: Message[] = [];
  let at = 0;
  while (at < bytes.length) {
    const room = bytes.length - at;
    if (room < HEADER) return err({ kind: "short", what: "message header", have: room, need: HEADER });
    const length = u32Of(bytes, at);
    if (length < HEADER || length > room) return err({ kind: "bad-length", what: "message", length, room });
    out.push({
      type: u16Of(bytes, at + 4),
      flags: u16Of(bytes, at + 6),
      sequence: u32Of(bytes, at + 8),
      port: u32Of(bytes, at + 12),
      payload: bytes.subarray(at + HEADER, at + length),
    });
    at += aligned(length);
  }
  return ok(out);
}

/** The payload of an NLMSG_ERROR, and the end of a dump, which carries an errno in the same place. */
export function decodeVerdict(message: Message): Result<Verdict, Malformed> {
  const { payload, flags, type } = message;
  if (payload.length < 4) return err({ kind: "short", what: "verdict", have: payload.length, need: 4 });
  const errno = Math.abs(i32Of(payload));
  const plain = { errno, text: undefined, offset: undefined, about: message.sequence };
  if ((flags & NLM_F_ACK_TLVS) === 0) return ok(plain);
  let start = 4;
  if (type === NLMSG_ERROR) {
    const need = 4 + HEADER;
    if (payload.length < need) return err({ kind: "short", what: "verdict", have: payload.length, need });
    // The refused request is repeated whole, or only its header when NETLINK_CAP_ACK or a plain ack capped it.
    start = (flags & NLM_F_CAPPED) !== 0 ? need : 4 + aligned(u32Of(payload, 4));
  }
  if (start > payload.length) {
    return err({ kind: "bad-length", what: "request in verdict", length: start, room: payload.length });
  }
  const attributes = Attributes.of(payload.subarray(start));
  if (!attributes.ok) return attributes;
  return ok({
    ...plain,
    text: attributes.value.text(NLMSGERR_ATTR_MSG),
    offset: attributes.value.u32(NLMSGERR_ATTR_OFFS),
  });
}

export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  ...payload: readonly Uint8Array[]
): Uint8Array {
  const body = join(payload);
  const length = HEADER + body.length;
  return join([
    u32(length),
    u16(type),
    u16(flags),
    u32(sequence),
    u32(0),
    body,
    new Uint8Array(aligned(length) - length),
  ]);
}

export const HEADER = 16;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;
