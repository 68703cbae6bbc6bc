/** What WireGuard devices say of themselves: the kernel in attributes, processes in lines. */
import type { WireguardState } from "../../base/wireguard.ts";
import { attribute, attributeU8, attributeU32, nested } from "../../netstack/kernel/netlink/attribute.ts";
import { u16 } from "../../netstack/kernel/netlink/octets.ts";
import { decodeGetDevice, encodeSetDevice } from "../../netstack/kernel/wireguard/attributes.ts";
import { decodeFamilyId, genericPayload } from "../../netstack/kernel/wireguard/kernel-door.ts";
import { decodeGetAnswer, decodeSetAnswer, encodeSet } from "../../netstack/kernel/wireguard/uapi.ts";
import { must, type Target } from "./target.ts";

const key = Buffer.alloc(32, 7);
const text = key.toString("base64");
const change = {
  privateKey: text,
  listenPort: 51_820,
  mark: 5,
  peers: [
    {
      kind: "set",
      publicKey: text,
      endpoint: "[2001:db8::1]:51820",
      keepalive: 25,
      allowedIps: ["10.0.0.0/8", "fd00::/8"],
    },
  ],
} as const;

/** Whatever was read can be asked for: what a decoder lets through, an encoder takes. */
function writable(state: WireguardState): void {
  const peers = state.peers.map(({ publicKey, presharedKey = "none", endpoint, allowedIps }) => ({
    kind: "set" as const,
    publicKey,
    presharedKey,
    allowedIps,
    ...(endpoint === undefined ? {} : { endpoint }),
  }));
  must(encodeSetDevice("nv0", { peers }).length > 0, "what was read cannot be written as attributes");
  must(encodeSet({ peers }).endsWith("\n\n"), "what was read cannot be written as lines");
}

const kernel: Target = {
  name: "wireguard-netlink",
  corpus: [
    ...encodeSetDevice("nv0", change),
    nested(
      8,
      nested(
        0,
        attribute(1, key),
        attribute(6, Buffer.from("00f15365000000004e61bc0000000000", "hex")),
        attribute(7, Buffer.alloc(8, 1)),
        nested(9, nested(0, attribute(1, u16(2)), attribute(2, Uint8Array.of(10, 0, 0, 1)), attributeU8(3, 32))),
      ),
    ),
    genericPayload(1, 2, attribute(1, u16(0x23))),
  ],
  tokens: [attributeU32(7, 1), attribute(9, new Uint8Array(0)), attributeU8(3, 33), key],
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    must(typeof decodeFamilyId(bytes).ok === "boolean", "neither a family nor a refusal");
    const state = decodeGetDevice([bytes, bytes]);
    if (!state.ok) return must(state.error.kind.length > 0, "neither a value nor a named error");
    writable(state.value);
  },
};

const uapi: Target = {
  name: "wireguard-uapi",
  corpus: [
    encodeSet(change).replace("set=1\n", "").replace(/\n\n$/, "\nerrno=0\n\n"),
    `public_key=${key.toString("hex")}\nlast_handshake_time_sec=1\nlast_handshake_time_nsec=2\nrx_bytes=3\nerrno=0\n\n`,
    "errno=-22\n\n",
  ].map((each) => Buffer.from(each)),
  tokens: ["\n\n", "errno=0", "public_key=", "allowed_ip=", "endpoint=[", "%eth0]:1", "=", "0x", "-1"].map((each) =>
    Buffer.from(each),
  ),
  run(memory, start, end) {
    const answer = memory.toString("latin1", start, end);
    must(typeof decodeSetAnswer(answer).ok === "boolean", "neither done nor refused");
    const state = decodeGetAnswer(answer);
    if (!state.ok) return must(state.error.kind.length > 0, "neither a value nor a named error");
    writable(state.value);
  },
};

export const WIREGUARD: readonly Target[] = [kernel, uapi];
