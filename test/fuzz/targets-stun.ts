/** STUN's decoder. */
import { ipOf } from "../../base/address.ts";
import { decodeStun, encodeBindingRequest, encodeBindingSuccess } from "../../netstack/stun/packet.ts";
import { must, type Target } from "./target.ts";

const ID = Uint8Array.from({ length: 12 }, (_, index) => index + 1);
const messages = [
  encodeBindingRequest(ID),
  encodeBindingRequest(ID, { change: { ip: true, port: true } }),
  ...["192.0.2.1", "2001:db8::1"].map((ip) => encodeBindingSuccess(ID, { ip: ipOf(ip), port: 51_820 })),
];
/** Without FINGERPRINT, so that a change is not refused for that alone. */
const bare = messages.map((each) => {
  const bytes = each.slice(0, -8);
  new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
  return bytes;
});

const stun: Target = {
  name: "stun",
  corpus: [...messages, ...bare],
  tokens: [0x0001, 0x0003, 0x0009, 0x0020, 0x8022, 0x8028, 0x802b, 0x802c].map((type) =>
    Uint8Array.of(type >> 8, type & 0xff),
  ),
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const result = decodeStun(bytes);
    if (!result.ok) return must(result.error.kind.length > 0, "neither a value nor a named error");
    const { mapped, transaction } = result.value;
    if (mapped === undefined) return;
    const again = decodeStun(encodeBindingSuccess(transaction, mapped));
    must(
      again.ok && again.value.mapped?.ip === mapped.ip && again.value.mapped.port === mapped.port,
      "a mapping changes",
    );
  },
};

export const STUN: readonly Target[] = [stun];
