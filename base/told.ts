/** The last word on each thing, by its key: what a process says again when somebody new listens. */
export class Told<Message> {
  readonly #about: (message: Message) => About | undefined;
  readonly #last = new Map<string, Message>();

  /** `about`: what a message tells of; undefined: of nothing that lasts. */
  constructor(about: (message: Message) => About | undefined) {
    this.#about = about;
  }

  note(message: Message): void {
    const about = this.#about(message);
    if (about === undefined) return;
    if (about.kind === "gone") this.#last.delete(about.key);
    else this.#last.set(about.key, message);
  }
  /** In the order in which things were told of first. */
  all(): readonly Message[] {
    return [...this.#last.values()];
  }
  /** Forgets what nobody will say that it is gone. */
  keepOnly(keep: (message: Message) => boolean): void {
    for (const [key, message] of this.#last) if (!keep(message)) this.#last.delete(key);
  }
}

export interface About {
  readonly kind: "is" | "gone";
  readonly key: string;
}

export function is(...key: readonly (string | number)[]): About {
  return { kind: "is", key: JSON.stringify(key) };
}
export function gone(...key: readonly (string | number)[]): About {
  return { kind: "gone", key: JSON.stringify(key) };
}
