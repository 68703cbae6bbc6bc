/**
 * Names to addresses for processes that live on a loop: Node's own resolver would need Node's own loop, and getaddrinfo(3)
 * waits.  So `getent ahosts` is asked, a process for each question: it reads what the host is set up with (nsswitch.conf,
 * hosts, resolv.conf) and sorts as RFC 6724 says.  For the few names of a configuration, not for traffic.
 */
import { spawn } from "node:child_process";
import { type Ip, parseIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { after, seconds } from "../../base/unit.ts";
import * as libc from "./libc.ts";
import type { Loop, Stream, StreamHandler } from "./loop.ts";
import { AF_UNIX } from "./sockaddr.ts";

/**
 * `done` is called once, not before this returns.  An address as text is its own answer.  Disposing forgets the question.
 */
export function lookUp(loop: Loop, name: string, done: (answer: Result<readonly Ip[], string>) => void): Disposable {
  const literal = parseIp(name);
  if (literal.ok) return loop.wakeAt(loop.now(), () => done(ok([literal.value])));
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/.test(name))
    return loop.wakeAt(loop.now(), () => done(err("not a host name")));
  return new Question(loop, name, done);
}

class Question implements StreamHandler, Disposable {
  readonly #loop: Loop;
  readonly #name: string;
  readonly #done: (answer: Result<readonly Ip[], string>) => void;
  readonly #stream: Stream;
  readonly #deadline: Disposable;
  readonly #pid: number | undefined;
  #text = "";
  #over = false;

  constructor(loop: Loop, name: string, done: (answer: Result<readonly Ip[], string>) => void) {
    this.#loop = loop;
    this.#name = name;
    this.#done = done;
    const pair = new Int32Array(2);
    libc.must(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair", { name });
    const [ours = -1, theirs = -1] = pair;
    const child = spawn("getent", ["ahosts", name], { stdio: ["ignore", theirs, "ignore"] });
    // Where Node's own loop turns, a missing program is told this way too; the stream's end says it to us.
    child.on("error", () => undefined);
    child.unref();
    libc.close(theirs);
    this.#pid = child.pid;
    this.#stream = loop.adopt(ours, this);
    this.#deadline = loop.wakeAt(after(loop.now(), PATIENCE), () => this.#end(err("no answer in time")));
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    if (this.#text.length < MOST) this.#text += this.#loop.pool.memory.toString("latin1", start, end);
    this.#loop.release(chunk);
  }

  ended(): void {
    const found = addressesOf(this.#text);
    if (found.length > 0) this.#end(ok(found));
    else this.#end(err(this.#pid === undefined ? "getent could not be started" : `${this.#name} has no address`));
  }

  closed(): void {
    this.ended();
  }

  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline[Symbol.dispose]();
    this.#stream.abort();
    if (this.#pid !== undefined) this.#leave(this.#pid, true);
  }

  #end(answer: Result<readonly Ip[], string>): void {
    if (this.#over) return;
    this[Symbol.dispose]();
    this.#done(answer);
  }

  /** Node's own loop would take leave of its children, where it turned. */
  #leave(pid: number, first: boolean): void {
    if (waitpid(pid, new Int32Array(1), WNOHANG) !== 0) return;
    if (!first) process.kill(pid, "SIGKILL");
    this.#loop.wakeAt(after(this.#loop.now(), LEAVE), () => this.#leave(pid, false));
  }
}

/** Lines "192.0.2.1 STREAM www.example.com", one address on several of them. */
function addressesOf(text: string): readonly Ip[] {
  const found = new Set<Ip>();
  for (const line of text.split("\n")) {
    const ip = parseIp(line.split(/\s/, 1)[0] ?? "");
    if (ip.ok) found.add(ip.value);
  }
  return [...found];
}

const PATIENCE = seconds(10);
const LEAVE = seconds(1);
const MOST = 65_536;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const WNOHANG = 1;
const waitpid = libc.declare<(pid: number, status: Int32Array, options: number) => number>(
  "int waitpid(int, void *, int)",
);
