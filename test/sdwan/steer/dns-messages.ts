/** DNS messages for tests, written out plainly: no compression. */
import { octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { ipOf } from "./plans.ts";

export interface DnsText {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly response: boolean;
  readonly rcode?: number;
  readonly answers: readonly {
    readonly name: string;
    readonly type: number;
    readonly ttl: number;
    readonly data: string;
  }[];
}

export function dnsMessage({ id, name, type, response, rcode = 0, answers }: DnsText): Uint8Array {
  return join([
    Uint8Array.of(...u16(id), response ? 0x81 : 0x01, rcode, 0, 1, ...u16(answers.length), 0, 0, 0, 0),
    nameOctets(name),
    Uint8Array.of(...u16(type), 0, 1),
    ...answers.map((each) => {
      const data =
        each.type === 5
          ? nameOctets(each.data)
          : each.type === 16
            ? Buffer.from(each.data)
            : octetsOfIp(ipOf(each.data));
      return join([
        nameOctets(each.name),
        Uint8Array.of(...u16(each.type), 0, 1, ...u16(each.ttl >>> 16), ...u16(each.ttl & 0xffff), ...u16(data.length)),
        data,
      ]);
    }),
  ]);
}

export function nameOctets(name: string): Uint8Array {
  const labels = name === "" ? [] : name.split(".");
  return join([...labels.map((label) => Uint8Array.of(label.length, ...Buffer.from(label))), Uint8Array.of(0)]);
}

function u16(value: number): readonly [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}
