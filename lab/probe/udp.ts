/** Datagrams with a number, which a responder returns with its name. */
import { type Ip, ipv4, ipv6, isIpv4 } from "../../base/address.ts";
import type { Datagrams, Endpoint, Loop } from "../../netstack/kernel/loop.ts";
import { encodeInet } from "../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../netstack/kernel/sockets.ts";
import type { Fate, ProbeTarget } from "./target.ts";

export class UdpTarget implements ProbeTarget {
  readonly #loop: Loop;
  readonly #socket: Datagrams;
  readonly #to: Uint8Array;
  readonly #asked = new Map<number, (fate: Fate) => void>();
  readonly #question = Buffer.alloc(QUESTION);
  #last = 0;

  constructor(loop: Loop, to: Endpoint) {
    this.#loop = loop;
    this.#to = encodeInet(to);
    this.#socket = loop.datagrams(openUdp({ bind: { ip: anyOf(to.ip), port: 0 }, receiveBuffer: 4 << 20 }), {
      received: (_, bytes) => this.#received(bytes),
    });
  }

  probe(fate: (fate: Fate) => void): () => void {
    const number = ++this.#last;
    this.#question.writeUInt32BE(number, 0);
    this.#asked.set(number, fate);
    // EHOSTUNREACH and its like are answers of the moment; the probe is lost, and its timeout says so.
    this.#socket.send(this.#question, this.#to);
    return () => void this.#asked.delete(number);
  }

  #received(bytes: Uint8Array): void {
    if (bytes.length < QUESTION) return;
    const answer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const number = answer.readUInt32BE(0);
    const fate = this.#asked.get(number);
    this.#asked.delete(number);
    fate?.({ kind: "answered", at: this.#loop.now(), by: answer.toString("utf8", QUESTION) });
  }
}

function anyOf(ip: Ip): Ip {
  return isIpv4(ip) ? ipv4("0.0.0.0") : ipv6("::");
}

/** Octets of a question; an answer is the question and a name. */
export const QUESTION = 16;
