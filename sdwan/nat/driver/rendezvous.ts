/**
 * Offers between sites: UDP inside the overlay, by whatever tunnel works, each with an HMAC of the key that the two sites
 * share.  What is not authentic, not for us, or older than what was heard is counted and forgotten; so is the content of
 * one whose sender has not heard us in this life, for it may be an old one that somebody says again.
 */
import { createHmac } from "node:crypto";
import { type Ip, ipOf } from "../../../base/address.ts";
import { sameSecret } from "../../../base/octets.ts";
import type { Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import type { RendezvousSpec } from "../../underlay-plan.ts";
import { isNewer, type Offer, type OfferedTunnel, readOffer, TUNNELS_TOGETHER, writeOffer } from "../offer.ts";

export interface RendezvousParts {
  readonly loop: Loop;
  readonly site: string;
  readonly spec: RendezvousSpec;
  /** Outlives the socket: others refuse what is counted from the beginning again. */
  readonly memory: RendezvousMemory;
  readonly offered: (offer: Offer) => void;
  /** The site has not heard us yet, or not in this life: it must, before its words count. */
  readonly unheard: (site: string) => void;
}

export class RendezvousMemory {
  readonly #epoch: number;
  /** Of sites that know a later life of ours than our clock. */
  readonly #raised = new Map<string, number>();
  readonly heard = new Map<string, { readonly epoch: number; readonly sequence: number }>();
  #sequence = 0;

  /** `epoch`: larger at each start, as far as the clock is right. */
  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  epoch(site: string): number {
    return this.#raised.get(site) ?? this.#epoch;
  }

  next(): number {
    return ++this.#sequence;
  }

  /** Whether the site has heard this life of ours.  A clock that was wrong has made an earlier one look later. */
  isHeardBy({ from, heard }: Offer): boolean {
    const epoch = this.epoch(from);
    if (heard === undefined || heard.epoch === epoch) return heard !== undefined;
    if (heard.epoch > epoch && Number.isSafeInteger(heard.epoch + 1)) this.#raised.set(from, heard.epoch + 1);
    return false;
  }
}

export class Rendezvous implements Disposable {
  readonly #parts: RendezvousParts;
  readonly #socket: Datagrams;
  #spec: RendezvousSpec;
  readonly refused: Record<string, number> = {};

  constructor(parts: RendezvousParts) {
    this.#parts = parts;
    this.#spec = parts.spec;
    const { local, port } = parts.spec;
    // The address is on the tunnels' devices, which may come later.
    const fd = openUdp({ bind: { ip: ipOf(local), port }, freebind: true });
    this.#socket = parts.loop.datagrams(fd, {
      received: (_, bytes, { from, truncated }) => this.#received(Buffer.from(bytes), decodeInet(from)?.ip, truncated),
    });
  }

  /** Whether these sites can be met at the socket that there is. */
  meets({ local, port }: RendezvousSpec): boolean {
    return local === this.#spec.local && port === this.#spec.port;
  }

  /** Other sites, or other keys: a second socket could not have the port before the first one is gone. */
  meet(spec: RendezvousSpec): void {
    this.#spec = spec;
  }

  /** Whether our newest words have come to the site. */
  send(site: string, tunnels: readonly OfferedTunnel[]): void {
    const { memory, site: from } = this.#parts;
    const spec = this.#spec;
    const peer = spec.sites[site];
    if (peer === undefined) return;
    const to = encodeInet({ ip: ipOf(peer.address), port: spec.port });
    for (let at = 0; at < Math.max(1, tunnels.length); at += TUNNELS_TOGETHER) {
      const offer: Offer = {
        from,
        to: site,
        epoch: memory.epoch(site),
        sequence: memory.next(),
        heard: memory.heard.get(site),
        tunnels: tunnels.slice(at, at + TUNNELS_TOGETHER),
      };
      const text = Buffer.from(writeOffer(offer));
      this.#socket.send(Buffer.concat([MAGIC, macOf(peer.key, text), text]), to);
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #received(bytes: Buffer, from: Ip | undefined, truncated: boolean): void {
    if (truncated || bytes.length > LONGEST || bytes.length < MAGIC.length + MAC || !bytes.subarray(0, 4).equals(MAGIC))
      return this.#refuse("no-offer");
    const [mac, text] = [bytes.subarray(MAGIC.length, MAGIC.length + MAC), bytes.subarray(MAGIC.length + MAC)];
    // By its address: trying the keys of all sites would cost more than whoever sends this pays.
    const sender = Object.entries(this.#spec.sites).find(([, { address }]) => ipOf(address) === from);
    if (sender === undefined || !sameSecret(macOf(sender[1].key, text), mac)) return this.#refuse("not-authentic");
    const read = readOffer(text.toString("utf8"));
    if (!read.ok) return this.#refuse("unreadable");
    const offer = read.value;
    if (offer.from !== sender[0] || offer.to !== this.#parts.site) return this.#refuse("not-for-us");
    const { memory, unheard, offered } = this.#parts;
    if (!isNewer(offer, memory.heard.get(offer.from))) return this.#refuse("replayed");
    memory.heard.set(offer.from, { epoch: offer.epoch, sequence: offer.sequence });
    if (memory.isHeardBy(offer)) return offered(offer);
    this.#refuse("unproven");
    unheard(offer.from);
  }

  #refuse(why: string): void {
    this.refused[why] = (this.refused[why] ?? 0) + 1;
  }
}

function macOf(key: string, text: Uint8Array): Buffer {
  return createHmac("sha256", Buffer.from(key, "hex")).update("novaedge offer").update(text).digest();
}

const MAGIC = Buffer.from("NVO1");
const MAC = 32;
const LONGEST = 4096;
