/** The loss shield in the wan process: orders and the plan become tables, again when devices are others; what is counted is told. */
import { Fault } from "../../../base/fault.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { SteeringPlan } from "../part.ts";
import type { ShieldDevice, ShieldOrder } from "../shield-copies.ts";
import { type ShieldCount, ShieldKeeper } from "./shield-keeper.ts";

export interface ShieldParts {
  readonly loop: Loop;
  readonly devices: () => readonly (ShieldDevice & { readonly name: string })[];
  /** What was counted is not what was told before. */
  readonly counted: (counts: readonly ShieldCount[]) => void;
  /** The kernel refuses; it is to be tried again. */
  readonly refused: (why: string) => void;
}

export class Shield implements Disposable {
  readonly #parts: ShieldParts;
  #plan: SteeringPlan | undefined;
  #orders: readonly ShieldOrder[] = [];
  /** Opened at the first need. */
  #keeper: ShieldKeeper | undefined;
  #counting: Disposable | undefined;
  #told = "";

  constructor(parts: ShieldParts) {
    this.#parts = parts;
  }

  keep(plan: SteeringPlan): void {
    this.#plan = plan;
    this.#keeper ??= new ShieldKeeper();
    const keeper = this.#keeper;
    this.#attempt(() => {
      const devices = this.#orders.length === 0 ? [] : this.#parts.devices();
      keeper.keep(plan, this.#orders, (ifname) => devices.find(({ name }) => name === ifname));
    });
    if (isShielded(plan)) this.#countLater();
  }

  orders(orders: readonly ShieldOrder[]): void {
    this.#orders = orders;
    if (this.#plan !== undefined) this.keep(this.#plan);
  }

  remove(): void {
    this.#plan = undefined;
    this.#keeper?.remove();
  }

  [Symbol.dispose](): void {
    this.#counting?.[Symbol.dispose]();
    this.#keeper?.[Symbol.dispose]();
  }

  #countLater(): void {
    const { loop } = this.#parts;
    this.#counting ??= loop.wakeAt(after(loop.now(), COUNTED_EVERY), () => {
      this.#counting = undefined;
      const [plan, keeper] = [this.#plan, this.#keeper];
      if (plan === undefined || keeper === undefined) return;
      this.#attempt(() => {
        keeper.renew();
        this.#tell(keeper.counts(plan));
      });
      if (isShielded(plan)) this.#countLater();
    });
  }

  #tell(counts: readonly ShieldCount[]): void {
    const text = JSON.stringify(counts);
    if (text !== this.#told) this.#parts.counted(counts);
    this.#told = text;
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#parts.refused(cause.message);
    }
  }
}

function isShielded({ classes }: SteeringPlan): boolean {
  return classes.some(({ shielded }) => shielded === true);
}

const COUNTED_EVERY = ms(2000);
