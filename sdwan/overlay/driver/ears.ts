/** What a device overhears of its port, each in its time: a site that begins to use its next key, and calls that do not fit. */
import type { WireguardState } from "../../../base/wireguard.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { awaitsKey } from "../want.ts";
import { CallWatch } from "./call-watch.ts";
import { callerOf } from "./caller.ts";
import type { DeviceSettings } from "./device-parts.ts";
import { KeyWatch } from "./key-watch.ts";
import type { Lives } from "./lives.ts";

export class Ears implements Disposable {
  readonly #keys: KeyWatch;
  readonly #calls: CallWatch;
  readonly #lives: Lives;
  #settings: DeviceSettings | undefined;

  /** `look`: at the device, now. */
  constructor(loop: Loop, lives: Lives, look: () => void) {
    this.#lives = lives;
    this.#keys = new KeyWatch(loop, (message) => {
      this.#begins(message);
      look();
    });
    this.#calls = new CallWatch(loop, (site, why) => {
      if (lives.called(site, why)) look();
    });
  }

  /** Something is about to happen: to be looked at without a pause. */
  get isAttentive(): boolean {
    return this.#keys.isAttentive;
  }

  /** At each look that found the device as it shall be. */
  listen(settings: DeviceSettings, have: WireguardState | undefined, port: number): void {
    this.#settings = settings;
    this.#keys.listen(awaitsKey(settings.spec, have) ? port : undefined);
    this.#calls.listen(settings, port, this.#lives.all);
  }

  /** A site that calls with its next key sends by it as soon as it is answered: its addresses go over before that. */
  #begins(message: Uint8Array): void {
    if (this.#settings === undefined) return;
    const { spec, privateKey } = this.#settings;
    const caller = callerOf(message, privateKey);
    if (caller.kind !== "known-by" || !caller.proven) return;
    const peer = spec.peers.find(({ nextPublicKey }) => nextPublicKey === caller.publicKey);
    if (peer !== undefined) this.#lives.begins(peer.site, caller.publicKey);
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
  }
}
