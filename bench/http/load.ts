/** A load of keep-alive connections by wrk, and what it cost the proxy. */
import { spawnSync } from "node:child_process";
import { cpuMicroseconds, family, peer } from "../peer.ts";

/** All processes of the proxy: a helper that works beside the worker is paid for too. */
export function cpuOf(pid: number): number {
  return family(pid).reduce((sum, each) => sum + cpuMicroseconds(each), 0);
}

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

export function load(port: number, path: string, seconds: number): Load {
  const args = [
    "-c",
    LOAD_CORE,
    peer("wrk", "wrk"),
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "--latency",
    "-H",
    "Host: app.example",
  ];
  const run = spawnSync("taskset", [...args, `http://127.0.0.1:${port}${path}`], { encoding: "utf8" });
  const text = run.stdout;
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const requests = number(/(\d+) requests in/);
  if (requests === 0) throw new Error(`no request succeeded on port ${port}:\n${text}${run.stderr}`);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const failed = (socketErrors?.slice(1) ?? []).reduce((sum, each) => sum + Number(each), 0);
  return {
    requests,
    seconds: duration(/requests in ([\d.]+m?s)/, text) / 1000,
    p50: duration(/50%\s+([\d.]+[mu]?s)/, text),
    p99: duration(/99%\s+([\d.]+[mu]?s)/, text),
    failed: failed + number(/Non-2xx or 3xx responses: (\d+)/),
  };
}

/** Milliseconds of wrk's "12.3us", "1.2ms", "3.4s". */
function duration(pattern: RegExp, text: string): number {
  const found = pattern.exec(text)?.[1] ?? "";
  const value = Number.parseFloat(found);
  return found.endsWith("us") ? value / 1000 : found.endsWith("ms") ? value : value * 1000;
}

const CONNECTIONS = 64;
/** wrk and the backend share this core; the proxy has the other one. */
export const LOAD_CORE = "1";
