/**
 * Why a session ends, in words, and NOTIFICATION messages.  Standards: RFC 4271 §4.5, §6, RFC 4486 and RFC 8203/9003
 * (Cease), RFC 5492 §5, RFC 6608 (FSM), RFC 7313 §5, RFC 8538 §3, RFC 9234 §4.2, RFC 9384, RFC 9687.
 */
export type KnownReason = keyof typeof REASONS;
/** Known, or "code/subcode". */
export type Reason = KnownReason | `${number}/${number}`;

/** The words are what reports and logs say: API. */
export const REASONS = {
  "message-header/unspecific": [1, 0],
  "message-header/connection-not-synchronized": [1, 1],
  "message-header/bad-message-length": [1, 2],
  "message-header/bad-message-type": [1, 3],
  "open-message/unspecific": [2, 0],
  "open-message/unsupported-version-number": [2, 1],
  "open-message/bad-peer-as": [2, 2],
  "open-message/bad-bgp-identifier": [2, 3],
  "open-message/unsupported-optional-parameter": [2, 4],
  "open-message/authentication-failure": [2, 5],
  "open-message/unacceptable-hold-time": [2, 6],
  "open-message/unsupported-capability": [2, 7],
  "open-message/role-mismatch": [2, 11],
  "update-message/unspecific": [3, 0],
  "update-message/malformed-attribute-list": [3, 1],
  "update-message/unrecognized-well-known-attribute": [3, 2],
  "update-message/missing-well-known-attribute": [3, 3],
  "update-message/attribute-flags": [3, 4],
  "update-message/attribute-length": [3, 5],
  "update-message/invalid-origin": [3, 6],
  "update-message/as-routing-loop": [3, 7],
  "update-message/invalid-next-hop": [3, 8],
  "update-message/optional-attribute": [3, 9],
  "update-message/invalid-network-field": [3, 10],
  "update-message/malformed-as-path": [3, 11],
  "hold-timer-expired": [4, 0],
  "fsm/unspecific": [5, 0],
  "fsm/unexpected-message-in-open-sent": [5, 1],
  "fsm/unexpected-message-in-open-confirm": [5, 2],
  "fsm/unexpected-message-in-established": [5, 3],
  "cease/unspecific": [6, 0],
  "cease/maximum-number-of-prefixes-reached": [6, 1],
  "cease/administrative-shutdown": [6, 2],
  "cease/peer-deconfigured": [6, 3],
  "cease/administrative-reset": [6, 4],
  "cease/connection-rejected": [6, 5],
  "cease/other-configuration-change": [6, 6],
  "cease/connection-collision-resolution": [6, 7],
  "cease/out-of-resources": [6, 8],
  "cease/hard-reset": [6, 9],
  "cease/bfd-down": [6, 10],
  "route-refresh/unspecific": [7, 0],
  "route-refresh/invalid-message-length": [7, 1],
  "send-hold-timer-expired": [8, 0],
} as const satisfies Readonly<Record<string, readonly [code: number, subcode: number]>>;
