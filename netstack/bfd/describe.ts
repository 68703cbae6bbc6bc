/** A packet in words, for traces. */
import type { ControlPacket, Malformed } from "./packet.ts";

export function describePacket(packet: ControlPacket): string {
  const flags = [
    packet.poll ? "poll" : "",
    packet.final ? "final" : "",
    packet.demand ? "demand" : "",
    packet.controlPlaneIndependent ? "independent" : "",
  ].filter((each) => each !== "");
  const { auth } = packet;
  return [
    packet.state,
    ...flags,
    packet.diagnostic === "none" ? "" : `diag ${packet.diagnostic}`,
    `my ${hex(packet.myDiscriminator)} your ${hex(packet.yourDiscriminator)}`,
    `tx ${packet.desiredMinTx} rx ${packet.requiredMinRx} echo ${packet.requiredMinEchoRx} x ${packet.multiplier}`,
    auth === undefined
      ? ""
      : `auth ${auth.kind === "simple" ? "simple" : `${auth.type} seq ${auth.sequence}`} key ${auth.keyId}`,
  ]
    .filter((each) => each !== "")
    .join(" ");
}

export function describeMalformed(error: Malformed): string {
  const { kind, ...rest } = error;
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
  return ["malformed", kind, ...fields].join(" ");
}

function hex(discriminator: number): string {
  return `0x${discriminator.toString(16)}`;
}
