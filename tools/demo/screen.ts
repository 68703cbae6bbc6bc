/** Shows the view: live on a terminal, as plain lines without one. */
import type { Facts } from "./facts.ts";
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
  #shown: readonly string[] = [];
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
    const colour = process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
    const lines = render(facts, { columns: this.#out.columns, colour }).slice(0, this.#out.rows);
    let text = "";
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row++) {
      const line = lines[row] ?? "";
      if (line !== this.#shown[row]) text += `\u001b[${row + 1};1H${line}\u001b[K`;
    }
    if (text !== "") this.#out.write(text);
    this.#shown = lines;
  }

  [Symbol.dispose](): void {
    this.#out.off("resize", this.#resized);
    this.#out.write("\u001b[?25h\u001b[?1049l");
  }
}

class Plain implements Screen {
  readonly #out: NodeJS.WriteStream;
  #before: Facts | undefined;
  #owner: string | undefined;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(facts: Facts): void {
    // Commands carry process ids, so they are said again when those change.
    const [kill] = tries(facts);
    if (kill !== undefined && kill.command !== this.#owner) {
      this.#owner = kill.command;
      this.#out.write(`reach it from this host: ${facts.urls.map((url) => `curl ${url}`).join("  ")}\n`);
      for (const each of tries(facts)) this.#out.write(`try: ${each.what}: ${each.command}\n     ${each.effect}\n`);
    }
    const line = plainLine(facts, this.#before);
    if (line === undefined) return;
    this.#before = facts;
    this.#out.write(`${line}\n`);
  }

  [Symbol.dispose](): void {}
}
