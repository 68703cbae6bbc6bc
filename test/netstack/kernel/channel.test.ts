/** Both ends of the channel between control and its children, with a real child. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { openChildChannel } from "../../../netstack/kernel/channel.ts";
import { receiveDescriptor, sendDescriptor } from "../../../netstack/kernel/descriptors.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import {
  adoptParentChannel,
  openParentChannel,
  type ParentChannel,
  streamPair,
} from "../../../netstack/kernel/parent-channel.ts";
import { listenTcp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { ENGINES, open, unixPair, until } from "./loop-probe.ts";

const dup = libc.declare<(fd: number) => number>("int dup(int)");
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

class Parent {
  readonly messages: unknown[] = [];
  readonly channel: ParentChannel;
  readonly child: ChildProcess;
  why: string | undefined = undefined;
  private heard: (() => void) | undefined;

  constructor(engine: string) {
    this.channel = openParentChannel(
      {
        received: (message) => {
          this.messages.push(message);
          this.heard?.();
        },
        ended: (why) => {
          this.why = why;
          this.heard?.();
        },
      },
      true,
    );
    const program = new URL("programs/channel-child.ts", import.meta.url).pathname;
    this.child = spawn(process.execPath, [program, engine], {
      stdio: ["ignore", "inherit", "inherit", ...this.channel.childEnds],
    });
    children.push(this.child);
    this.channel.spawned();
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.heard = resolve;
      });
    }
  }
}

describe.each(ENGINES)("a channel to a child on %s", (engine) => {
  test("messages both ways; the child notices that its parent closed", async () => {
    const parent = new Parent(engine);
    const large = "x".repeat(3_000_000);
    parent.channel.send({ large });
    await parent.until(() => parent.messages.length === 2);
    expect(parent.messages[0]).toBe("hello");
    expect(parent.messages[1]).toEqual({ message: { large }, keys: [] });
    parent.channel[Symbol.dispose]();
    expect(await once(parent.child, "exit")).toEqual([17, null]);
    expect(parent.why).toBeUndefined();
  });

  test("sockets come before the message that was sent after them, however many", async () => {
    const parent = new Parent(engine);
    await parent.until(() => parent.messages.length === 1);
    parent.channel.send("stall");
    const keys = Array.from({ length: 600 }, (_, index) => `gateway/listener-${index}@127.0.0.1:0`);
    const fd = listenTcp({ ip: ipv4("127.0.0.1"), port: 0 });
    const { port } = nameOf(fd) ?? { port: 0 };
    for (const key of keys) parent.channel.sendFd(key, fd);
    libc.close(fd);
    parent.channel.send("after");
    await parent.until(() => parent.messages.length === 2);
    expect(parent.messages[1]).toEqual({ message: "after", keys });
    const client = connect(port, "127.0.0.1");
    const [greeting] = (await once(client, "data")) as [Buffer];
    expect(keys).toContain(greeting.toString());
    client.destroy();
    parent.channel[Symbol.dispose]();
    await once(parent.child, "exit");
  });

  test("the parent notices that the child died", async () => {
    const parent = new Parent(engine);
    await parent.until(() => parent.messages.length === 1);
    parent.child.kill("SIGKILL");
    await parent.until(() => parent.why !== undefined);
    parent.channel.send("nobody hears");
    parent.channel.sendFd("nobody", 0);
  });

  test("another parent takes the child over by its door, whatever the first one left half said", async () => {
    const parent = new Parent(engine);
    await parent.until(() => parent.messages.length === 1);
    const door = dup(parent.channel.door ?? -1);
    const fd = listenTcp({ ip: ipv4("127.0.0.1"), port: 0 });
    parent.channel.sendFd("from the first", fd);
    libc.close(fd);
    parent.channel.send({ large: "x".repeat(3_000_000) });
    // Ends in the middle of the message, as a killed process does.
    parent.channel[Symbol.dispose]();

    const said: unknown[] = [];
    const [stderr, theirs] = streamPair();
    let heard: () => void = () => undefined;
    const channel = adoptParentChannel(
      {
        received: (message) => {
          said.push(message);
          heard();
        },
        ended: () => undefined,
      },
      door,
      theirs,
    );
    libc.close(theirs);
    const errors = new Socket({ fd: stderr, readable: true, writable: false });
    channel.send("complain");
    const hears = async (count: number): Promise<void> => {
      while (said.length < count) await new Promise<void>((resolve) => (heard = resolve));
    };
    await hears(2);
    expect(said[0]).toBe("adopted");
    expect(said[1]).toEqual({ message: "complain", keys: ["from the first"] });
    expect(String((await once(errors, "data"))[0])).toBe("complaint\n");
    errors.destroy();
    channel[Symbol.dispose]();
    expect(await once(parent.child, "exit")).toEqual([17, null]);
  });

  test("a frame with a hostile length ends the child's side, at once and only once", () => {
    using loop = open(engine);
    const [ours, theirs] = unixPair();
    const ends: string[] = [];
    openChildChannel(loop, { received: () => undefined, ended: (why) => ends.push(why) }, theirs);
    libc.sendto(ours, Buffer.from("ffffffff", "hex"), 4, 0, null, 0);
    until(loop, "the end", () => ends.length > 0 && loop.stats().streams === 0);
    expect(ends).toEqual(["too-long, 4294967295 octets"]);
    libc.close(ours);
  });
});

describe("descriptors", () => {
  test("what is not exactly one descriptor with a key is refused and closed", () => {
    const fds = new Int32Array(2);
    libc.must(libc.socketpair(1, 5, 0, fds), "socketpair");
    const [a = -1, b = -1] = fds;
    expect(receiveDescriptor(b)).toEqual({ kind: "nothing" });
    libc.sendto(a, Buffer.from("no descriptor"), 13, 0, null, 0);
    expect(receiveDescriptor(b)).toMatchObject({ kind: "refused" });
    expect(sendDescriptor(a, "κλειδί", a)).toBe(0);
    const received = receiveDescriptor(b);
    expect(received).toMatchObject({ kind: "descriptor", key: "κλειδί" });
    if (received.kind === "descriptor") libc.close(received.fd);
    expect(() => sendDescriptor(a, "", a)).toThrow(TypeError);
    expect(() => sendDescriptor(a, "k".repeat(1025), a)).toThrow(TypeError);
    expect(sendDescriptor(a, "closed", 9999)).toBe(9);
    libc.close(a);
    expect(receiveDescriptor(b)).toEqual({ kind: "ended" });
    libc.close(b);
    expect(receiveDescriptor(b)).toMatchObject({ kind: "failed" });
  });
});
