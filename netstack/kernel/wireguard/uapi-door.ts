/**
 * A device of a wireguard-go process, by its UAPI socket on the loop: a process that hangs or starves costs us a deadline,
 * never a wait.  One connection for each exchange; exchanges of one device follow each other.
 */
import { err, ok, type Result } from "../../../base/result.ts";
import { after, ms } from "../../../base/unit.ts";
import type { WireguardChange, WireguardState } from "../../../base/wireguard.ts";
import { EAGAIN, ENOENT, errnoName, errnoText } from "../errno.ts";
import * as libc from "../libc.ts";
import type { Loop, Stream, StreamHandler } from "../loop.ts";
import { AF_UNIX, encodeUnix } from "../sockaddr.ts";
import type { DoorFailure, WireguardDoor } from "./door.ts";
import { type BadAnswer, decodeGetAnswer, decodeSetAnswer, encodeSet, GET, isWhole } from "./uapi.ts";

interface Asked {
  readonly request: string;
  readonly done: (answer: Result<string, DoorFailure>) => void;
}

export class UapiDoor implements WireguardDoor {
  readonly engine = "wireguard-go";
  readonly #loop: Loop;
  readonly #path: string;
  readonly #waiting: Asked[] = [];
  #exchange: Exchange | undefined;
  #open = true;

  constructor(loop: Loop, path: string) {
    this.#loop = loop;
    this.#path = path;
  }

  read(done: (answer: Result<WireguardState, DoorFailure>) => void): void {
    this.#ask(GET, (answer) => done(answer.ok ? understood(decodeGetAnswer(answer.value)) : answer));
  }

  change(change: WireguardChange, done: (answer: Result<undefined, DoorFailure>) => void): void {
    this.#ask(encodeSet(change), (answer) => done(answer.ok ? understood(decodeSetAnswer(answer.value)) : answer));
  }

  [Symbol.dispose](): void {
    this.#open = false;
    this.#waiting.length = 0;
    this.#exchange?.abandon();
  }

  #ask(request: string, done: Asked["done"]): void {
    if (!this.#open) throw new TypeError("a WireGuard door used after it was disposed");
    this.#waiting.push({ request, done });
    if (this.#exchange === undefined) this.#next();
  }

  #next(): void {
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    const fd = connectUnix(this.#path);
    if (!fd.ok) {
      asked.done(fd);
      if (this.#open) this.#next();
      return;
    }
    this.#exchange = new Exchange(this.#loop, fd.value, asked.request, (answer) => {
      this.#exchange = undefined;
      asked.done(answer);
      if (this.#open && this.#exchange === undefined) this.#next();
    });
  }
}

/** Whether somebody listens there: what tells a living process from the socket that a dead one left behind. */
export function answersAt(path: string): boolean {
  const fd = connectUnix(path);
  if (fd.ok) libc.close(fd.value);
  return fd.ok;
}

/** The process that listens at `path`, as the kernel knows it; undefined when nobody does, or it is of another namespace. */
export function listenerAt(path: string): number | undefined {
  const fd = connectUnix(path);
  if (!fd.ok) return undefined;
  try {
    const credentials = new Int32Array(3);
    const octets = new Uint8Array(credentials.buffer);
    if (libc.getsockopt(fd.value, SOL_SOCKET, SO_PEERCRED, octets, Uint32Array.of(12)) < 0) return undefined;
    const pid = credentials[0] ?? 0;
    return pid > 0 ? pid : undefined;
  } finally {
    libc.close(fd.value);
  }
}

class Exchange implements StreamHandler {
  readonly #stream: Stream;
  readonly #loop: Loop;
  readonly #deadline: Disposable;
  readonly #done: (answer: Result<string, DoorFailure>) => void;
  readonly #parts: Buffer[] = [];
  #length = 0;
  #over = false;

  constructor(loop: Loop, fd: number, request: string, done: (answer: Result<string, DoorFailure>) => void) {
    this.#loop = loop;
    this.#done = done;
    this.#stream = loop.adopt(fd, this);
    this.#deadline = loop.wakeAt(after(loop.now(), PATIENCE), () =>
      this.#end(err({ kind: "silent", why: `no answer within ${PATIENCE} ms` })),
    );
    this.#stream.write(Buffer.from(request));
  }

  received(_stream: Stream, chunk: number, start: number, end: number): void {
    const bytes = this.#over ? undefined : Buffer.from(this.#loop.pool.memory.subarray(start, end));
    this.#loop.release(chunk);
    if (bytes === undefined) return;
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length > MOST) return this.#end(err({ kind: "unreadable", why: `more than ${MOST} octets` }));
    // The answer's end may lie across two pieces.
    if (!isWhole(Buffer.concat(this.#parts.slice(-2)).toString("latin1"))) return;
    this.#end(ok(Buffer.concat(this.#parts).toString("latin1")));
  }

  ended(): void {
    this.#end(err({ kind: "unreadable", why: "the answer ended early" }));
  }

  closed(): void {
    this.#end(err({ kind: "gone", why: "the connection was closed" }));
  }

  /** Nobody is told any more. */
  abandon(): void {
    this.#over = true;
    this.#deadline[Symbol.dispose]();
    this.#stream.abort();
  }

  #end(answer: Result<string, DoorFailure>): void {
    if (this.#over) return;
    this.abandon();
    this.#done(answer);
  }
}

function understood<T>(decoded: Result<T, BadAnswer>): Result<T, DoorFailure> {
  if (decoded.ok) return decoded;
  const { error } = decoded;
  if (error.kind === "errno") return err({ kind: "refused", why: errnoText(error.errno) });
  if (error.kind === "no-end") return err({ kind: "unreadable", why: "no result in the answer" });
  return err({ kind: "unreadable", why: `line ${error.line} of the answer (${error.name})` });
}

/** Connecting to a Unix socket ends at once: it is done, refused, or the listener's queue is full. */
function connectUnix(path: string): Result<number, DoorFailure> {
  const fd = libc.must(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket", { path });
  const to = encodeUnix(path);
  if (connect(fd, to, to.length) === 0) return ok(fd);
  const errno = libc.errno();
  libc.close(fd);
  if (errno === ENOENT || errno === ECONNREFUSED) return err({ kind: "gone", why: `${path}: ${errnoText(errno)}` });
  if (errno === EAGAIN) return err({ kind: "silent", why: `${path}: its queue is full` });
  return err({ kind: "refused", why: `${path}: ${errnoName(errno)}` });
}

const connect = libc.declare<typeof libc.bind>("int connect(int, void *, uint32)");
/** Far beyond what a starved host needs; 500 peers take 2 ms. */
const PATIENCE = ms(2000);
/** Of an answer: some ten thousand peers. */
const MOST = 16 * 1024 * 1024;
const ECONNREFUSED = 111;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
