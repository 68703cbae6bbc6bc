/** -f FILE, DIR or "-" → one text for the daemon, and the way back from its lines to the files. */
import { statSync } from "node:fs";
import type { ApplyRequest, Problem } from "../daemon/admin/api.ts";
import { RefusedError } from "./client.ts";
import { type Call, CommandError, EXIT } from "./command.ts";

export interface Documents {
  readonly request: Pick<ApplyRequest, "documents" | "source">;
  /** The problem where the operator wrote it. */
  readonly place: (problem: Problem) => Problem;
}

/** Several files go in one request, so that they are applied together or not at all. */
export async function documentsOf(call: Call, flag = "filename"): Promise<Documents> {
  const named = call.flags.get(flag);
  if (named === undefined) {
    const how = flag === "filename" ? "-f" : `--${flag}`;
    throw new CommandError(EXIT.usage, "USAGE", `which files? ${how} FILE, ${how} DIR or ${how} -`);
  }
  const texts: { readonly file: string; readonly text: string }[] = [];
  for (const each of named) texts.push(...(await textsOf(call, each)));
  if (texts.length === 0) throw new CommandError(EXIT.usage, "NO_FILES", `no *.yaml in ${named.join(", ")}`);
  const starts: { readonly file: string; readonly first: number }[] = [];
  let joined = "";
  let line = 1;
  for (const { file, text } of texts) {
    if (joined !== "") {
      joined += "---\n";
      line++;
    }
    starts.push({ file, first: line });
    const whole = text.endsWith("\n") || text === "" ? text : `${text}\n`;
    joined += whole;
    line += whole.split("\n").length - 1;
  }
  const source = texts.length === 1 ? (texts[0]?.file ?? "") : "<files>";
  return {
    request: { documents: joined, source },
    place: (problem) => {
      if (problem.file !== source) return problem;
      const start = starts.findLast(({ first }) => first <= problem.line) ?? { file: source, first: 1 };
      return { ...problem, file: start.file, line: problem.line - start.first + 1 };
    },
  };
}

/** Runs the call; a refusal's findings come back with the operator's own file names. */
export async function placed<T>(documents: Documents, act: Promise<T>): Promise<T> {
  try {
    return await act;
  } catch (thrown) {
    if (!(thrown instanceof RefusedError)) throw thrown;
    throw new RefusedError(thrown.exit, thrown.code, thrown.message, thrown.problems.map(documents.place));
  }
}

async function textsOf(call: Call, path: string): Promise<readonly { readonly file: string; readonly text: string }[]> {
  if (path === "-") return [{ file: "<stdin>", text: await call.io.stdin() }];
  const { readDirectory, readSource } = await import("../resources/load.ts");
  const directory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const files = directory ? readDirectory(path) : [readSource(path)];
  return files.map(({ file, content }) => ({ file, text: textOf(file, content) }));
}

function textOf(file: string, content: Uint8Array | string): string {
  if (typeof content === "string") return content;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    throw new CommandError(EXIT.configuration, "FILE_ENCODING", `${file} is not UTF-8 text`);
  }
}
