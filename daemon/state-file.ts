/** A small file of what must survive a restart: read once, checked by a schema, written whole or not at all. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type * as z from "zod";
import { Fault } from "../base/fault.ts";
import { sameContent } from "./config/canonical.ts";
import { commit } from "./config/transaction.ts";
import type { Events } from "./events.ts";

export class StateFile<T extends object> {
  readonly #file: string;
  /** First word of its events. */
  readonly #name: string;
  readonly #events: Events;
  #saved: T | undefined;

  constructor(file: string, name: string, events: Events) {
    this.#file = file;
    this.#name = name;
    this.#events = events;
  }

  /** undefined: there is none, or none that can be read. */
  read(schema: z.ZodType<T>): T | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new Fault("FILE", { path: this.#file }, error);
    }
    const parsed = schema.safeParse(jsonOf(text));
    if (!parsed.success) {
      const why = "not what the daemon writes; it begins anew";
      this.#events.emit(`${this.#name}.unreadable`, { file: this.#file, why }, "error");
      return undefined;
    }
    this.#saved = parsed.data;
    return parsed.data;
  }

  save(content: T): void {
    if (this.#saved !== undefined && sameContent(this.#saved, content)) return;
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o750 });
      commit(dirname(this.#file), [{ path: this.#file, text: `${JSON.stringify(content)}\n` }]);
      this.#saved = content;
    } catch (error) {
      // In force all the same: what may differ after the next start beats what does not work now.
      const why = error instanceof Error ? error.message : String(error);
      this.#events.emit(`${this.#name}.not-saved`, { file: this.#file, why }, "error");
      if (!(error instanceof Fault) && (error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema refuses it
  }
}
