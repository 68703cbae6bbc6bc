/**
 * Why a peer that never shook hands does not: its own calls say which keys it means.  WireGuard drops what does not fit
 * without a word, so an operator would see no more than silence.  Listens for a few seconds of each minute, and only while
 * there is such a peer; strangers can make it tell nonsense to the operator, and nothing else.
 */

import type { Ip } from "../../../base/address.ts";
import { parseEndpoint } from "../../../base/endpoint.ts";
import { after, type Instant, instant, ms, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { TunnelPeerSpec } from "../../underlay-plan.ts";
import type { PeerLife } from "../peer-life.ts";
import { type Caller, callerOf } from "./caller.ts";
import type { DeviceSettings } from "./device-parts.ts";
import { Initiations } from "./initiations.ts";

export class CallWatch implements Disposable {
  readonly #loop: Loop;
  readonly #said: (site: string, why: string) => void;
  #ear: Initiations | undefined;
  #turnAt: Instant = instant(0);
  #readAt: Instant = instant(0);
  #settings: DeviceSettings | undefined;
  #lives: ReadonlyMap<string, PeerLife> = new Map();

  /** `said`: what a site's calls say about why it has no handshake. */
  constructor(loop: Loop, said: (site: string, why: string) => void) {
    this.#loop = loop;
    this.#said = said;
  }

  /** To be called at each look. */
  listen(settings: DeviceSettings, port: number, lives: ReadonlyMap<string, PeerLife>): void {
    this.#settings = settings;
    this.#lives = lives;
    const now = this.#loop.now();
    if (this.#waiting().length === 0) return this[Symbol.dispose]();
    if (now < this.#turnAt) return;
    const listening = this.#ear !== undefined;
    this.#ear?.[Symbol.dispose]();
    this.#ear = listening ? undefined : new Initiations(this.#loop, port, (...call) => this.#heard(...call));
    this.#turnAt = after(now, listening ? PAUSE : WINDOW);
  }

  [Symbol.dispose](): void {
    this.#ear?.[Symbol.dispose]();
    this.#ear = undefined;
    this.#turnAt = instant(0);
  }

  #heard(message: Uint8Array, from: Ip | undefined): void {
    const now = this.#loop.now();
    if (this.#settings === undefined || now < this.#readAt) return;
    this.#readAt = after(now, READ_EVERY);
    const caller = callerOf(message, this.#settings.privateKey);
    const peer = this.#meant(caller, from);
    if (peer !== undefined) this.#said(peer.site, explained(caller, peer));
  }

  /** By its key; else by where it calls from; else it is the only one that is missing. */
  #meant(caller: Caller, from: Ip | undefined): TunnelPeerSpec | undefined {
    const peers = this.#settings?.spec.peers ?? [];
    const waiting = this.#waiting();
    const byKey = caller.kind === "known-by" ? peers.find((peer) => fits(caller.publicKey, peer)) : undefined;
    if (byKey !== undefined) return waiting.find((peer) => peer === byKey);
    const byAddress = waiting.filter(({ site }) => addressesOf(this.#lives.get(site)).includes(from));
    const candidates = byAddress.length > 0 ? byAddress : waiting;
    return candidates.length === 1 ? candidates[0] : undefined;
  }

  #waiting(): readonly TunnelPeerSpec[] {
    return (this.#settings?.spec.peers ?? []).filter(({ site }) => this.#lives.get(site)?.unshaken === true);
  }
}

function explained(caller: Caller, { site, publicKey, presharedKey }: TunnelPeerSpec): string {
  if (caller.kind === "for-another") return `${site} calls for another public key than this site has`;
  if (caller.publicKey !== publicKey) return `${site} calls with the public key ${caller.publicKey}, not ${publicKey}`;
  const preshared = presharedKey === undefined ? "it may ask for a preshared key" : "the preshared keys may differ";
  return `${site} calls with the right keys: ${preshared}, or nothing that is sent arrives there`;
}

function fits(key: string, { publicKey, nextPublicKey }: TunnelPeerSpec): boolean {
  return key === publicKey || key === nextPublicKey;
}

function addressesOf(life: PeerLife | undefined): readonly (Ip | undefined)[] {
  const endpoints = [life?.discovered?.endpoint, ...(life?.configured ?? [])];
  return endpoints.flatMap((text) => {
    const parsed = text === undefined ? undefined : parseEndpoint(text);
    return parsed?.ok === true ? [parsed.value.ip] : [];
  });
}

/** WireGuard calls every 5 seconds while it has something to send. */
const WINDOW = seconds(7);
const PAUSE = seconds(53);
const READ_EVERY = ms(200);
