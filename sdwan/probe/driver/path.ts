/** One path of the plan: its sender, its hands, and what else knows of its life. */
import { isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { unreachable } from "../../../base/result.ts";
import { after, type Instant, instant, ms, seconds, since } from "../../../base/unit.ts";
import type { BfdState } from "../../../netstack/bfd/plan.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { PathFigures, PathLife } from "../../figures.ts";
import type { Pace, PathReport, PathSpec } from "../../steer-plan.ts";
import { ECHO } from "../echo.ts";
import { SLOTS } from "../pace.ts";
import { type BfdWitness, hear, lifeOf } from "../path-life.ts";
import { Sender, type SenderAction, type SenderConfig } from "../sender.ts";
import { PROBE } from "../stamp.ts";
import type { Answer } from "../windows.ts";
import type { Devices } from "./devices.ts";
import { EchoHands } from "./echo-hands.ts";
import type { Also, Failure, Hands, HandsParts } from "./hands.ts";
import type { Patience } from "./patience.ts";
import { address, StampHands } from "./stamp-hands.ts";
import { StreamHands } from "./stream-hands.ts";

export interface PathParts {
  readonly loop: Loop;
  readonly devices: Devices;
  readonly patience: Patience;
  readonly wall: () => number;
  /** What the BFD session is now, as far as is known. */
  readonly bfdState: (session: string) => BfdState | undefined;
  readonly life: (life: PathLife, at: Instant) => void;
  readonly measured: (at: Instant) => void;
  readonly event: (name: string, fields: Failure) => void;
  /** Among the paths over its link. */
  readonly place: number;
}

export class ProbedPath implements Disposable {
  readonly #parts: PathParts;
  #spec: PathSpec;
  #sender: Sender | undefined;
  #hands: Hands | undefined;
  #bfd: BfdWitness | undefined;
  /** Of the device that the hands are bound to. */
  #ifindex = 0;
  #alarm: Disposable | undefined;
  #alarmAt: Instant = NEVER;
  #retryAt: Instant;
  #life: PathLife;
  #since: number;
  #whole = true;
  readonly #refused: Record<string, number> = {};
  /** Of senders that measured something else, under the same name. */
  readonly #before = { sent: 0, answered: 0 };
  #toldFailure = "";
  #carriedAt: Instant = instant(0);

  constructor(spec: PathSpec, parts: PathParts) {
    this.#spec = spec;
    this.#parts = parts;
    const now = parts.loop.now();
    this.#retryAt = now;
    this.#bfd = this.#guard(spec);
    const config = configOf(spec);
    // Paths over the same link do not stay in step: each starts at a place of its own within a pace.
    const begin = (pace: Pace): Instant => after(now, ms((parts.place * pace.interval) / SLOTS));
    this.#sender = config === undefined ? undefined : new Sender(config, begin(config.pace));
    this.#whole = this.#isWhole();
    this.#life = this.#lifeNow();
    this.#since = parts.wall();
    this.#open();
    this.#arm();
  }

  get spec(): PathSpec {
    return this.#spec;
  }
  get life(): PathLife {
    return this.#life;
  }

  /** Windows live on where what is measured is the same. */
  change(spec: PathSpec): void {
    const before = this.#spec;
    this.#spec = spec;
    const now = this.#parts.loop.now();
    if (spec.bfd !== before.bfd) this.#bfd = this.#guard(spec);
    const config = configOf(spec);
    if (subjectOf(spec) !== subjectOf(before)) {
      this.#before.sent += this.#sender?.sent ?? 0;
      this.#before.answered += this.#sender?.answers ?? 0;
      this.#sender = config === undefined ? undefined : new Sender(config, now);
    } else if (config !== undefined) this.#sender?.change(config, now);
    if (handsOf(spec) !== handsOf(before)) this.#shut();
    if (spec.ifname !== before.ifname) this.#sender?.recount();
    this.#look();
  }

  deviceChanged(): void {
    this.#look();
  }

  bfd(state: BfdState): void {
    if (this.#bfd === undefined) return;
    const fell = this.#bfd.fell;
    this.#bfd = hear(this.#bfd, state);
    if (this.#bfd.fell !== fell) this.#sender?.doubt(this.#parts.loop.now());
    this.#tell();
    this.#arm();
  }

  doubt(): void {
    this.#sender?.doubt(this.#parts.loop.now());
    this.#arm();
  }

  alarm(): void {
    this.#sender?.alarm(this.#parts.loop.now());
    this.#arm();
  }

  figures(): PathFigures | undefined {
    return this.#sender?.figures(this.#parts.loop.now(), this.#parts.wall());
  }

  report(): PathReport {
    const pace = this.#sender?.pace(this.#parts.loop.now()) ?? { interval: 0, octetsPerHour: 0 };
    return {
      id: this.#spec.id,
      life: this.#life,
      since: this.#since,
      figures: this.figures(),
      sent: this.#before.sent + (this.#sender?.sent ?? 0),
      answered: this.#before.answered + (this.#sender?.answers ?? 0),
      refused: { ...this.#refused },
      ...pace,
    };
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = undefined;
    this.#shut();
  }

  /** The counters of the device tell of this path. */
  get #isCounted(): boolean {
    const { probe } = this.#spec;
    return probe.kind === "stamp" && probe.counters;
  }

  #guard({ bfd }: PathSpec): BfdWitness | undefined {
    if (bfd === undefined) return undefined;
    return { session: bfd, state: this.#parts.bfdState(bfd) ?? "down", fell: false };
  }

  /** Devices or the plan changed. */
  #look(): void {
    const whole = this.#isWhole();
    const index = this.#parts.devices.of(this.#spec.ifname)?.index ?? 0;
    if (!whole || index !== this.#ifindex) this.#shut();
    if (whole !== this.#whole) this.#sender?.interrupt(whole ? "measured anew" : "interrupted");
    else if (this.#hands === undefined && whole) this.#sender?.recount();
    this.#whole = whole;
    this.#retryAt = this.#parts.loop.now();
    this.#open();
    this.#tell();
    this.#arm();
  }

  #isWhole(): boolean {
    const { devices } = this.#parts;
    const works = (ifname: string): boolean => {
      const device = devices.of(ifname);
      return device?.up === true && device.carrier;
    };
    return works(this.#spec.ifname) && works(this.#spec.underlay);
  }

  #open(): void {
    const { devices, loop } = this.#parts;
    const device = devices.of(this.#spec.ifname);
    if (!this.#whole || device === undefined || this.#hands !== undefined || this.#sender === undefined) return;
    if (loop.now() < this.#retryAt) return;
    this.#retryAt = after(loop.now(), RETRY);
    const sender = this.#sender;
    const ifindex = device.index;
    try {
      this.#hands = openHands(this.#spec, {
        loop,
        ifindex,
        counters: () => devices.counters(ifindex),
        on: {
          answered: (answer, also) => this.#answered(sender, answer, also, ifindex),
          refused: (kind) => (this.#refused[kind] = (this.#refused[kind] ?? 0) + 1),
          targetChanged: () => sender.forgetDelays(),
          failed: (fields) => this.#failed(fields),
        },
      });
      this.#ifindex = ifindex;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#failed({ code: cause.code, ...cause.fields });
    }
  }

  #shut(): void {
    this.#hands?.[Symbol.dispose]();
    this.#hands = undefined;
    this.#ifindex = 0;
  }

  #answered(sender: Sender, answer: Answer, also: Also, ifindex: number): void {
    if (sender !== this.#sender) return;
    const { loop, devices } = this.#parts;
    const now = loop.now();
    const actions = sender.answered(answer, now);
    if (typeof actions === "string") {
      this.#refused[actions] = (this.#refused[actions] ?? 0) + 1;
      return;
    }
    const { counters, kept, held } = also;
    const isDue = counters !== undefined || since(this.#carriedAt, now) >= CARRIED_EVERY;
    const counted = isDue ? devices.counters(ifindex) : undefined;
    if (counted !== undefined) {
      this.#carriedAt = now;
      sender.carried(counted.sent.octets, counted.received.octets, now);
      const sentAt = sender.sentAt(answer.number);
      if (counters !== undefined && sentAt !== undefined && this.#isCounted) {
        const received = counted.received.packets % 2 ** 32;
        sender.counted(
          { at: sentAt, sent: counters.senderTx, received: counters.reflectorRx, held },
          { at: sentAt, sent: counters.reflectorTx, received, held: kept },
          now,
        );
      }
    }
    this.#perform(actions, now);
    this.#arm();
  }

  #wake(): void {
    const { loop, patience } = this.#parts;
    const now = loop.now();
    const conclusive = patience.woken(this.#alarmAt, now);
    this.#alarm = undefined;
    this.#alarmAt = NEVER;
    this.#open();
    if (this.#sender !== undefined && this.#whole) this.#perform(this.#sender.wake(now, conclusive), now);
    this.#arm(conclusive);
  }

  #perform(actions: readonly SenderAction[], now: Instant): void {
    for (const action of actions) {
      switch (action.kind) {
        case "ask": {
          const failure = this.#hands?.ask(action.number, action.broad, action.counts && this.#isCounted);
          if (failure !== undefined) this.#failed(failure);
          else if (this.#hands !== undefined) this.#toldFailure = "";
          break;
        }
        case "measured":
          this.#parts.measured(now);
          break;
        case "life":
          this.#tell();
          break;
        default:
          unreachable(action);
      }
    }
  }

  #arm(conclusive = true): void {
    const { loop } = this.#parts;
    const now = loop.now();
    const due = this.#sender === undefined || !this.#whole ? NEVER : this.#sender.nextWake(now);
    const next = conclusive || due > now ? due : after(now, LOOK_EVERY);
    if (next === this.#alarmAt && this.#alarm !== undefined) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = next;
    this.#alarm = next === NEVER ? undefined : loop.wakeAt(next, () => this.#wake());
  }

  #lifeNow(): PathLife {
    const { ifname, underlay } = this.#spec;
    const { devices } = this.#parts;
    return lifeOf({
      ifname,
      underlay,
      device: devices.of(ifname),
      below: devices.of(underlay),
      bfd: this.#bfd,
      probes: this.#sender?.life,
    });
  }

  #tell(): void {
    const life = this.#lifeNow();
    if (JSON.stringify(life) === JSON.stringify(this.#life)) return;
    if (life.kind !== this.#life.kind) this.#since = this.#parts.wall();
    this.#life = life;
    this.#parts.life(life, this.#parts.loop.now());
  }

  /** Once for each reason, until something works again. */
  #failed(fields: Failure): void {
    const text = JSON.stringify(fields);
    if (this.#toldFailure === text) return;
    this.#toldFailure = text;
    this.#parts.event("probe.failed", { path: this.#spec.id, ...fields, level: "warn" });
  }
}

function openHands(path: PathSpec, parts: HandsParts): Hands {
  const { probe } = path;
  switch (probe.kind) {
    case "stamp":
      return new StampHands(path, probe, parts);
    case "icmp":
      return new EchoHands(path, probe, parts);
    case "tcp":
    case "http":
      return new StreamHands(path, probe, parts);
    case "none":
      throw new TypeError("hands of a path that is not probed");
    default:
      return unreachable(probe);
  }
}

function configOf({ probe, ifname, underlay, metered }: PathSpec): SenderConfig | undefined {
  if (probe.kind === "none") return undefined;
  const { pace } = probe;
  if (probe.kind === "stamp") {
    const inner = PROBE + 8 + (isIpv4(address(probe.peer)) ? 20 : 40);
    // WireGuard pads to 16 octets, and adds 32 of its own, 8 of UDP and at least 20 of IP.
    const size = ifname === underlay ? inner : Math.ceil(inner / 16) * 16 + 60;
    return { pace, metered, cost: size * 2, targets: 1 };
  }
  const targets = probe.targets.length;
  const family = (text: string | undefined): number => (text !== undefined && isIpv4(address(text)) ? 20 : 40);
  if (probe.kind === "icmp") return { pace, metered, cost: (ECHO + family(probe.targets[0])) * 2, targets };
  const head = family(probe.targets[0]?.address) + 20;
  // SYN and its answer with options, ACK, RST; with HTTP a request and what of the answer comes before it is dropped.
  const cost = head * 4 + 40 + (probe.kind === "http" ? head * 3 + 1700 : 0);
  return { pace, metered, cost, targets };
}

/** What the windows are about. */
function subjectOf({ probe }: PathSpec): string {
  return JSON.stringify(
    probe.kind === "stamp" ? [probe.kind, probe.local, probe.peer] : [probe.kind, targetsOf(probe)],
  );
}

/** What the hands are made of. */
function handsOf({ ifname, probe }: PathSpec): string {
  if (probe.kind === "none") return "none";
  if (probe.kind === "stamp")
    return JSON.stringify([ifname, probe.local, probe.peer, probe.port, probe.key, probe.nextKey]);
  return JSON.stringify([ifname, probe.kind, probe.mark, probe.targets]);
}

function targetsOf(probe: PathSpec["probe"]): unknown {
  return probe.kind === "stamp" || probe.kind === "none" ? undefined : probe.targets;
}

const NEVER = instant(Number.POSITIVE_INFINITY);
const RETRY = seconds(1);
const LOOK_EVERY = ms(1);
/** What the device carries is looked at so often, also where counters tell nothing of loss. */
const CARRIED_EVERY = ms(190);
