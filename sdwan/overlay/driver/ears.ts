/** What a device overhears of its port, each in its time: a site that begins to use its next key, and calls that do not fit. */
import type { WireguardState } from "../../../base/wireguard.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { awaitsKey } from "../want.ts";
import { CallWatch } from "./call-watch.ts";
import type { DeviceSettings } from "./device-parts.ts";
import { KeyWatch } from "./key-watch.ts";
import type { Lives } from "./lives.ts";

export class Ears implements Disposable {
  readonly #keys: KeyWatch;
  readonly #calls: CallWatch;
  readonly #lives: Lives;

  /** `look`: at the device, now. */
  constructor(loop: Loop, lives: Lives, look: () => void) {
    this.#lives = lives;
    this.#keys = new KeyWatch(loop, look);
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
    this.#keys.listen(awaitsKey(settings.spec, have) ? port : undefined);
    this.#calls.listen(settings, port, this.#lives.all);
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
    this.#calls[Symbol.dispose]();
  }
}
