/** The UAPI door against processes that answer as they should not. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SILENT } from "../../../../base/log.ts";
import type { Result } from "../../../../base/result.ts";
import type { WireguardState } from "../../../../base/wireguard.ts";
import type { Loop } from "../../../../netstack/kernel/loop.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import type { DoorFailure } from "../../../../netstack/kernel/wireguard/door.ts";
import { answersAt, listenerAt, UapiDoor } from "../../../../netstack/kernel/wireguard/uapi-door.ts";

const GOOD = "listen_port=7\nfwmark=0\nerrno=0\n\n";

describe.each(["epoll", "io_uring"] as const)("a wireguard-go process, on %s", (engine) => {
  let directory: string;
  let path: string;
  let server: Server | undefined;
  let loop: Loop;
  const sockets = new Set<Socket>();

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "nv-uapi-"));
    path = join(directory, "nv0.sock");
    loop = openLoop({ engine: engine === "io_uring" ? "auto" : engine, chunks: 16, log: SILENT });
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server?.close();
    loop[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  async function answering(answer: (request: string, socket: Socket) => void): Promise<void> {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", (bytes) => answer(bytes.toString(), socket));
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
  }

  async function asked<T>(
    ask: (done: (answer: Result<T, DoorFailure>) => void) => void,
  ): Promise<Result<T, DoorFailure>> {
    let answer: Result<T, DoorFailure> | undefined;
    ask((each) => (answer = each));
    while (answer === undefined) {
      loop.turn(false);
      await sleep(1);
    }
    return answer;
  }
  const read = (door: UapiDoor): Promise<Result<WireguardState, DoorFailure>> => asked((done) => door.read(done));

  test("answers in pieces, several questions one after another", async () => {
    const heard: string[] = [];
    await answering((request, socket) => {
      heard.push(request);
      for (const octet of request.startsWith("get") ? GOOD : "errno=0\n\n") socket.write(octet);
    });
    using door = new UapiDoor(loop, path);
    const later = asked<undefined>((done) => door.change({ listenPort: 8, peers: [] }, done));
    expect(await read(door)).toMatchObject({ ok: true, value: { listenPort: 7 } });
    expect(await later).toEqual({ ok: true, value: undefined });
    expect(heard).toEqual(["set=1\nlisten_port=8\n\n", "get=1\n\n"]);
  });

  test("is not there, or was", async () => {
    using door = new UapiDoor(loop, path);
    expect(await read(door)).toMatchObject({ error: { kind: "gone" } });
    expect([answersAt(path), listenerAt(path)]).toEqual([false, undefined]);
    await answering(() => undefined);
    expect([answersAt(path), listenerAt(path)]).toEqual([true, process.pid]);
  });

  test("hangs up in the middle", async () => {
    await answering((_, socket) => socket.end("listen_port=7\nerr"));
    using door = new UapiDoor(loop, path);
    expect(await read(door)).toMatchObject({ ok: false });
  });

  test("never answers: the deadline does, and the next question is asked all the same", async () => {
    let silent = true;
    await answering((_, socket) => {
      if (!silent) socket.write(GOOD);
    });
    using door = new UapiDoor(loop, path);
    expect(await read(door)).toMatchObject({ error: { kind: "silent" } });
    silent = false;
    expect(await read(door)).toMatchObject({ ok: true });
  });

  test("says something else", async () => {
    await answering((_, socket) => socket.write("HTTP/1.1 200 OK\r\n\n\n"));
    using door = new UapiDoor(loop, path);
    expect(await read(door)).toMatchObject({ error: { kind: "unreadable" } });
  });

  test("refuses", async () => {
    await answering((_, socket) => socket.write("errno=-98\n\n"));
    using door = new UapiDoor(loop, path);
    const answer = await asked<undefined>((done) => door.change({ listenPort: 8, peers: [] }, done));
    expect(answer).toMatchObject({ error: { kind: "refused" } });
  });
});
