/** Sends what a stranger would to ports of a host: noise, STUN that nobody asked for, packets that look like ours. */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { ipOf } from "../../../base/address.ts";
import { encodeBindingRequest, encodeBindingSuccess } from "../../../netstack/stun/packet.ts";

const [address = "", ...ports] = process.argv.slice(2);
const socket = createSocket("udp4");
const lie = { ip: ipOf("192.0.2.66"), port: 6666 };

function forgeries(): readonly Buffer[] {
  const id = randomBytes(12);
  const proof = { keyId: randomBytes(4).readUInt32BE(0), mac: randomBytes(16) };
  const stun = [
    encodeBindingRequest(id),
    encodeBindingRequest(id, { proof }),
    encodeBindingSuccess(id, lie),
    encodeBindingSuccess(id, lie, proof),
    encodeBindingSuccess(id, lie).subarray(0, 30),
  ].map((each) => Buffer.from(each));
  const handshake = Buffer.concat([Buffer.from([1, 0, 0, 0]), randomBytes(144)]);
  const data = Buffer.concat([Buffer.from([4, 0, 0, 0]), randomBytes(76)]);
  const offer = Buffer.concat([Buffer.from("NVO1"), randomBytes(32), Buffer.from('{"from":"site2","to":"site1"}')]);
  return [...stun, handshake, data, offer, randomBytes(112), randomBytes(44), Buffer.alloc(0), randomBytes(1400)];
}

let sent = 0;
for (let round = 0; round < 200; round++) {
  for (const port of ports) {
    for (const bytes of forgeries()) {
      await new Promise<void>((resolve) => socket.send(bytes, Number(port), address, () => resolve()));
      sent++;
    }
  }
}
process.stdout.write(`${JSON.stringify({ kind: "forged", sent })}\n`);
socket.close();
