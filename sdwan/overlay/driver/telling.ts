/** Events about one device: a warning is said once, until it says something else or all was in order meanwhile. */
export class Telling {
  readonly #ifname: string;
  readonly #event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly #warned = new Map<string, string>();

  constructor(ifname: string, event: (name: string, fields: Readonly<Record<string, unknown>>) => void) {
    this.#ifname = ifname;
    this.#event = event;
  }

  event(name: string, level: "info" | "warn" | "error", fields: Readonly<Record<string, unknown>>): void {
    this.#event(name, { ifname: this.#ifname, ...fields, level });
  }

  warn(name: string, why: string): void {
    if (this.#warned.get(name) === why) return;
    this.#warned.set(name, why);
    this.event(name, "warn", { why });
  }

  repaired(what: string): void {
    this.event("wan.tunnel-repaired", "warn", { what });
  }

  allIsWell(): void {
    this.#warned.clear();
  }
}
