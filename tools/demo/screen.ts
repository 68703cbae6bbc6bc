/** Shows the view: live on a terminal, as plain lines without one. */
import { type Facts, ownerOf } from "./facts.ts";
import { plainLine, render, tries } from "./view.ts";

export interface Screen extends Disposable {
  show(facts: Facts): void;
}

export function screenOn(out: NodeJS.WriteStream): Screen {
  return out.isTTY ? new Live(out) : new Plain(out);
}

/** Draws on the alternate screen, and only the lines that changed: what the reader has marked with the mouse stays. */
class Live implements Screen {
  readonly #out: NodeJS.WriteStream;
  #shown: readonly (string | undefined)[] = [];
  readonly #resized = (): void => {
    this.#shown = [];
    this.#out.write("\u001b[2J");
  };

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    out.write("\u001b[?1049h\u001b[?25l\u001b[2J");
    out.on("resize", this.#resized);
  }

  show(facts: Facts): void {
    const { columns, rows } = this.#out;
    const colour = process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
    /** By row; a line that takes several leaves the rows below it to itself. */
    const shown = render(facts, { columns, rows, colour })
      .flatMap((line): (string | undefined)[] => [line.text, ...Array.from({ length: line.rows - 1 }, () => undefined)])
      .slice(0, rows);
    let text = "";
    for (let row = 0; row < Math.max(shown.length, this.#shown.length); row++) {
      const line = row < shown.length ? shown[row] : "";
      // What a wrapped line covered must be written anew when it is gone, and the other way round.
      if (line !== undefined && (line !== this.#shown[row] || this.#shown[row + 1] !== shown[row + 1]))
        text += `\u001b[${row + 1};1H\u001b[K${line}`;
    }
    if (text !== "") this.#out.write(text);
    this.#shown = shown;
  }

  [Symbol.dispose](): void {
    this.#out.off("resize", this.#resized);
    this.#out.write("\u001b[?25h\u001b[?1049l");
  }
}

class Plain implements Screen {
  readonly #out: NodeJS.WriteStream;
  #before: Facts | undefined;
  #latest: string | undefined;
  readonly #said = new Map<string, string>();

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(facts: Facts): void {
    const line = plainLine(facts, this.#before);
    if (line !== undefined) {
      this.#before = facts;
      this.#out.write(`${line}\n`);
    }
    // Commands carry process ids: one is said again when those have changed and somebody owns the address for a while.
    const commands = tries(facts);
    const text = commands.map((each) => each.command).join("\n");
    const steady = text === this.#latest && ownerOf(facts) !== undefined;
    this.#latest = text;
    if (!steady) return;
    if (this.#said.size === 0)
      this.#out.write(`from this shell: ${facts.urls.map((url) => `curl ${url}`).join("   ")}\n`);
    for (const { what, command, effect } of commands) {
      if (this.#said.get(what) === command) continue;
      this.#out.write(`try to ${what}: ${command}\n${this.#said.has(what) ? "" : `    (${effect})\n`}`);
      this.#said.set(what, command);
    }
  }

  [Symbol.dispose](): void {}
}
