/**
 * Offers between sites: UDP inside the overlay, by whatever tunnel works, each with an HMAC of the key that the two sites
 * share.  A site that relays carries offers of others in an envelope of its own, authentic for each of its two ways: so
 * two sites can speak when the tunnel between them, of which they have to speak, does not work.  What is not authentic, not for us, or older than what was heard is counted and forgotten; so is the content of
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

/** Found to be authentic by this key. */
interface Authentic {
  readonly site: string;
  readonly key: string;
  readonly text: Buffer;
}

export class RendezvousMemory {
  readonly #epoch: number;
  /** Of sites that know a later life of ours than our clock. */
  readonly #raised = new Map<string, number>();
  readonly heard = new Map<string, { readonly epoch: number; readonly sequence: number }>();
  /** Site → the key that it spoke with last: of two it says which one it has. */
  readonly keys = new Map<string, string>();
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

  /** `by`: a site that relays, for when the way to the other one does not work. */
  send(site: string, tunnels: readonly OfferedTunnel[], by?: string): void {
    const { memory, site: from } = this.#parts;
    if (this.#spec.sites[site] === undefined) return;
    for (let at = 0; at < Math.max(1, tunnels.length); at += TUNNELS_TOGETHER) {
      const offer: Offer = {
        from,
        to: site,
        epoch: memory.epoch(site),
        sequence: memory.next(),
        heard: memory.heard.get(site),
        tunnels: tunnels.slice(at, at + TUNNELS_TOGETHER),
      };
      const datagram = sealed(OFFER, this.#keyOf(site), Buffer.from(writeOffer(offer)));
      if (by === undefined) this.#deliver(site, datagram);
      else this.#deliver(by, sealed(CARRY, this.#keyOf(by), addressed(site, datagram)));
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #received(bytes: Buffer, from: Ip | undefined, truncated: boolean): void {
    const magic = bytes.toString("latin1", 0, 4);
    const known = magic === OFFER || magic === CARRY || magic === CARRIED;
    if (truncated || bytes.length > LONGEST || bytes.length < MAGIC + MAC || !known) return this.#refuse("no-offer");
    // By its address: trying the keys of all sites would cost more than whoever sends this pays.
    const sender = Object.entries(this.#spec.sites).find(([, { address }]) => ipOf(address) === from);
    const found = sender === undefined ? undefined : this.#open(sender[0], magic, bytes);
    if (found === undefined) return this.#refuse("not-authentic");
    if (magic === OFFER) return this.#heard(found);
    const letter = readLetter(found.text);
    if (letter === undefined) return this.#refuse("unreadable");
    const { name, datagram } = letter;
    if (magic === CARRY) {
      // To a site that both know, and never further: what is carried is no letter again.
      if (this.#spec.sites[name] === undefined || name === found.site) return this.#refuse("not-for-us");
      return this.#deliver(name, sealed(CARRIED, this.#keyOf(name), addressed(found.site, datagram)));
    }
    const offer = datagram.toString("latin1", 0, 4) === OFFER ? this.#open(name, OFFER, datagram) : undefined;
    return offer === undefined ? this.#refuse("not-authentic") : this.#heard(offer);
  }

  /** The content, when the site has made it: with either of its keys while it changes them. */
  #open(site: string, magic: string, bytes: Buffer): Authentic | undefined {
    const peer = this.#spec.sites[site];
    const [mac, text] = [bytes.subarray(MAGIC, MAGIC + MAC), bytes.subarray(MAGIC + MAC)];
    const key = [peer?.key, peer?.nextKey].find(
      (each) => each !== undefined && sameSecret(macOf(magic, each, text), mac),
    );
    return key === undefined ? undefined : { site, key, text };
  }

  #heard({ site, key, text }: Authentic): void {
    const read = readOffer(text.toString("utf8"));
    if (!read.ok) return this.#refuse("unreadable");
    const offer = read.value;
    if (offer.from !== site || offer.to !== this.#parts.site) return this.#refuse("not-for-us");
    const { memory, unheard, offered } = this.#parts;
    if (!isNewer(offer, memory.heard.get(offer.from))) return this.#refuse("replayed");
    memory.heard.set(offer.from, { epoch: offer.epoch, sequence: offer.sequence });
    memory.keys.set(site, key);
    if (memory.isHeardBy(offer)) return offered(offer);
    this.#refuse("unproven");
    unheard(offer.from);
  }

  /** The one that the site has: it has spoken with it, or nothing is known of another. */
  #keyOf(site: string): string {
    const peer = this.#spec.sites[site];
    if (peer === undefined) throw new TypeError(`no key of ${site}`);
    const spoken = this.#parts.memory.keys.get(site);
    return spoken !== undefined && spoken === peer.nextKey ? spoken : peer.key;
  }

  #deliver(site: string, datagram: Buffer): void {
    const peer = this.#spec.sites[site];
    if (peer !== undefined) this.#socket.send(datagram, encodeInet({ ip: ipOf(peer.address), port: this.#spec.port }));
  }

  #refuse(why: string): void {
    this.refused[why] = (this.refused[why] ?? 0) + 1;
  }
}

function sealed(magic: string, key: string, text: Buffer): Buffer {
  return Buffer.concat([Buffer.from(magic, "latin1"), macOf(magic, key, text), text]);
}

/** One octet says how long the name is, 253 at most. */
function addressed(name: string, datagram: Buffer): Buffer {
  const octets = Buffer.from(name, "utf8");
  return Buffer.concat([Buffer.from([octets.length]), octets, datagram]);
}
function readLetter(text: Buffer): { readonly name: string; readonly datagram: Buffer } | undefined {
  const end = 1 + (text[0] ?? 0);
  if (end === 1 || text.length < end + MAGIC + MAC) return undefined;
  return { name: text.toString("utf8", 1, end), datagram: text.subarray(end) };
}

function macOf(magic: string, key: string, text: Uint8Array): Buffer {
  return createHmac("sha256", Buffer.from(key, "hex"))
    .update(LABELS[magic] ?? "")
    .update(text)
    .digest();
}

/** An offer; a letter for a site that relays; and what that one makes of it for whom it is meant. */
const [OFFER, CARRY, CARRIED] = ["NVO1", "NVC1", "NVR1"];
const LABELS: Readonly<Record<string, string>> = {
  [OFFER]: "novaedge offer",
  [CARRY]: "novaedge carry",
  [CARRIED]: "novaedge carried",
};
const MAGIC = 4;
const MAC = 32;
const LONGEST = 4096;
