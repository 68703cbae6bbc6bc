/**
 * The documents of a YAML file as pieces of text, so that one resource can be replaced or removed while comments,
 * order and the other documents stay as their author wrote them.
 * YAML 1.2 §9.1.2: a line that begins with "---" or "..." is a marker wherever it stands, so lines suffice.
 */
export interface Piece {
  /** Offsets into the text: from the "---" line, if there is one, to the next marker. */
  readonly start: number;
  readonly end: number;
  /** Lines from 1; `lastLine` inclusive. */
  readonly firstLine: number;
  readonly lastLine: number;
}

export function pieces(text: string): readonly Piece[] {
  const found: Piece[] = [];
  let start = 0;
  let firstLine = 1;
  let offset = 0;
  let line = 0;
  const close = (end: number, lastLine: number): void => {
    if (end > start) found.push({ start, end, firstLine, lastLine });
    start = end;
    firstLine = lastLine + 1;
  };
  // Directives ("%YAML") and comments before a "---" belong to the document that it opens.
  let content = false;
  for (const each of text.split(/(?<=\n)/)) {
    line++;
    if (/^---(\s|$)/.test(each)) {
      if (content) close(offset, line - 1);
      content = true;
    } else if (/^\.\.\.(\s|$)/.test(each)) {
      close(offset + each.length, line);
      content = false;
    } else if (!/^\s*(#.*|%.*)?\s*$/.test(each)) content = true;
    offset += each.length;
  }
  close(text.length, Math.max(line, 1));
  return found;
}

export function pieceAt(all: readonly Piece[], line: number): Piece | undefined {
  return all.find((piece) => piece.firstLine <= line && line <= piece.lastLine);
}

/** The document's own text: without marker lines, with one line feed at its end. */
export function bodyOf(text: string, piece: Piece): string {
  const body = text
    .slice(piece.start, piece.end)
    .replace(/^(?:%.*\n)+/, "")
    .replace(/^---[ \t]*(?:#.*)?\n/m, "")
    .replace(/^\.\.\.(?:\s.*)?$/m, "");
  return `${body.trimEnd()}\n`;
}

/** `text`, which consists of `all`, with the pieces that start at these offsets replaced: one pass, however many. */
export function withBodies(text: string, all: readonly Piece[], bodies: ReadonlyMap<number, string>): string {
  const [only] = all;
  if (all.length === 1 && only !== undefined) return bodies.get(only.start) ?? text;
  let result = "";
  for (const [index, { start, end }] of all.entries()) {
    const body = bodies.get(start);
    const next = all[index + 1];
    if (body === undefined) result += text.slice(start, end);
    else {
      // What is replaced next brings its own marker.
      const marked = next === undefined || bodies.has(next.start) || /^(---|\.\.\.|%)/.test(text.slice(end, end + 3));
      result += `---\n${body}${marked ? "" : "---\n"}`;
    }
  }
  return result;
}

/** `text` without `piece`; undefined when no document is left. */
export function without(text: string, piece: Piece): string | undefined {
  const left = `${text.slice(0, piece.start)}${text.slice(piece.end)}`;
  const documents = pieces(left).some((each) => /^(?!\s*(#|---|\.\.\.|%|$))/m.test(bodyOf(left, each)));
  return documents ? left : undefined;
}
