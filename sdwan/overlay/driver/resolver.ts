/** Endpoints as the configuration has them, "name:port", to endpoints with addresses; asked again when they do not work. */

import { formatEndpoint, parseEndpoint } from "../../../base/endpoint.ts";
import { after, type Instant, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { lookUp } from "../../../netstack/kernel/names.ts";

interface Known {
  endpoints: readonly string[];
  question: Disposable | undefined;
  askAgainAt: Instant;
}

export class Resolver implements Disposable {
  readonly #loop: Loop;
  readonly #changed: (endpoint: string, endpoints: readonly string[]) => void;
  readonly #known = new Map<string, Known>();

  constructor(loop: Loop, changed: (endpoint: string, endpoints: readonly string[]) => void) {
    this.#loop = loop;
    this.#changed = changed;
  }

  /** What is known now; `changed` tells when that becomes something else. */
  endpoints(endpoint: string): readonly string[] {
    const literal = parseEndpoint(endpoint);
    if (literal.ok) return [formatEndpoint(literal.value)];
    const known = this.#known.get(endpoint);
    if (known === undefined) this.again(endpoint);
    return known?.endpoints ?? [];
  }

  /** Not more often than every few seconds. */
  again(endpoint: string): void {
    if (parseEndpoint(endpoint).ok) return;
    const [, name = "", port = ""] = /^(.*):([0-9]{1,5})$/.exec(endpoint) ?? [];
    const now = this.#loop.now();
    const known = this.#known.get(endpoint) ?? { endpoints: [], question: undefined, askAgainAt: now };
    this.#known.set(endpoint, known);
    if (known.question !== undefined || now < known.askAgainAt) return;
    known.askAgainAt = after(now, EVERY);
    known.question = lookUp(this.#loop, name, (answer) => {
      known.question = undefined;
      // Without an answer the old ones are the best guess.
      if (!answer.ok) return;
      known.endpoints = answer.value.map((ip) => formatEndpoint({ ip, port: Number(port) }));
      this.#changed(endpoint, known.endpoints);
    });
  }

  [Symbol.dispose](): void {
    for (const { question } of this.#known.values()) question?.[Symbol.dispose]();
    this.#known.clear();
  }
}

const EVERY = seconds(5);
