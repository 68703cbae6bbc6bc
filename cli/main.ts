#!/usr/bin/env node
/** novactl: the process around run.ts. */
import { run } from "./run.ts";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
// `novactl events | head` closes our output: that is an end, not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`novactl: error: standard output: ${error.message} [OUTPUT]\n`);
  process.exit(1);
});

// No top-level await: the bundle is a script.
void run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  stdin: async () => {
    let text = "";
    for await (const part of process.stdin.setEncoding("utf8") as AsyncIterable<string>) text += part;
    return text;
  },
  env: process.env,
  colour: process.stdout.isTTY && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb",
  signal: stop.signal,
  now: () => Date.now(),
}).then((status) => {
  process.exitCode = status;
});
