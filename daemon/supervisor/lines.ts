/** Cuts text into lines; one without an end is cut at a length that a log can bear. */
export class Lines {
  readonly #said: (line: string) => void;
  #rest = "";

  constructor(said: (line: string) => void) {
    this.#said = said;
  }
  add(part: string): void {
    const lines = (this.#rest + part).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LONGEST_LINE) {
      lines.push(this.#rest.slice(0, LONGEST_LINE));
      this.#rest = "";
    }
    for (const line of lines) if (line !== "") this.#said(line);
  }
}

const LONGEST_LINE = 64 * 1024;
