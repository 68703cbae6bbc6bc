/**
 * Offers between sites: UDP inside the overlay, by whatever tunnel works, each with an HMAC of the key that the two sites
 * share.  What is not authentic, not for us, or older than what was heard is counted and forgotten.
 */
import { createHmac } from "node:crypto";
import { ipOf } from "../../../base/address.ts";
import { sameSecret } from "../../../base/octets.ts";
import type { Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import type { RendezvousSpec } from "../../underlay-plan.ts";
import { isNewer, type Offer, type OfferedTunnel, readOffer, TUNNELS_TOGETHER, writeOffer } from "../offer.ts";

export interface RendezvousParts {
  readonly loop: Loop;
  readonly site: string;
  readonly spec: RendezvousSpec;
  /** Larger at each start. */
  readonly epoch: number;
  readonly offered: (offer: Offer) => void;
}

export class Rendezvous implements Disposable {
  readonly #parts: RendezvousParts;
  readonly #socket: Datagrams;
  readonly #heard = new Map<string, { readonly epoch: number; readonly sequence: number }>();
  #sequence = 0;
  readonly refused: Record<string, number> = {};

  constructor(parts: RendezvousParts) {
    this.#parts = parts;
    const { local, port } = parts.spec;
    // The address is on the tunnels' devices, which may come later.
    const fd = openUdp({ bind: { ip: ipOf(local), port }, freebind: true });
    this.#socket = parts.loop.datagrams(fd, {
      received: (_, bytes, { truncated }) => this.#received(Buffer.from(bytes), truncated),
    });
  }

  /** Whether our newest words have come to the site. */
  send(site: string, tunnels: readonly OfferedTunnel[]): void {
    const { spec, epoch, site: from } = this.#parts;
    const peer = spec.sites[site];
    if (peer === undefined) return;
    const to = encodeInet({ ip: ipOf(peer.address), port: spec.port });
    for (let at = 0; at < Math.max(1, tunnels.length); at += TUNNELS_TOGETHER) {
      const offer: Offer = {
        from,
        to: site,
        epoch,
        sequence: ++this.#sequence,
        heard: this.#heard.get(site),
        tunnels: tunnels.slice(at, at + TUNNELS_TOGETHER),
      };
      const text = Buffer.from(writeOffer(offer));
      this.#socket.send(Buffer.concat([MAGIC, macOf(peer.key, text), text]), to);
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #received(bytes: Buffer, truncated: boolean): void {
    if (truncated || bytes.length > LONGEST || bytes.length < MAGIC.length + MAC || !bytes.subarray(0, 4).equals(MAGIC))
      return this.#refuse("no-offer");
    const [mac, text] = [bytes.subarray(MAGIC.length, MAGIC.length + MAC), bytes.subarray(MAGIC.length + MAC)];
    const sender = Object.entries(this.#parts.spec.sites).find(([, { key }]) => sameSecret(macOf(key, text), mac));
    if (sender === undefined) return this.#refuse("not-authentic");
    const read = readOffer(text.toString("utf8"));
    if (!read.ok) return this.#refuse("unreadable");
    const offer = read.value;
    if (offer.from !== sender[0] || offer.to !== this.#parts.site) return this.#refuse("not-for-us");
    if (!isNewer(offer, this.#heard.get(offer.from))) return this.#refuse("replayed");
    this.#heard.set(offer.from, { epoch: offer.epoch, sequence: offer.sequence });
    this.#parts.offered(offer);
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
