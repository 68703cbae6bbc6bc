/** A data-plane process, started and spoken to as control does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { ipv4 } from "../../base/address.ts";
import { openParentChannel, type ParentChannel } from "../../netstack/kernel/parent-channel.ts";
import { listenTcp } from "../../netstack/kernel/sockets.ts";
import type { ProxyConfig } from "../../proxy/config.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";

export class Child {
  readonly messages: FromDataplane[] = [];
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #channel: ParentChannel;
  #waiting: (() => void)[] = [];
  readonly #exit: Promise<unknown>;

  constructor(engine: string, worker = 0) {
    this.#channel = openParentChannel(
      {
        received: (message) => {
          this.messages.push(message as FromDataplane);
          for (const wake of this.#waiting.splice(0)) wake();
        },
        ended: () => {
          for (const wake of this.#waiting.splice(0)) wake();
        },
      },
      true,
    );
    const main = join(import.meta.dirname, "..", "..", "proxy", "main.ts");
    const args = [main, "--worker", String(worker), "--engine", engine, "--log-level", "debug"];
    this.process = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe", ...this.#channel.childEnds] });
    this.#channel.spawned();
    this.process.stdout?.on("data", (octets: Buffer) => {
      this.stdout += octets.toString();
    });
    this.process.stderr?.on("data", (octets: Buffer) => {
      this.stderr += octets.toString();
    });
    this.#exit = once(this.process, "exit");
  }

  send(message: ToDataplane): void {
    this.#channel.send(message);
  }
  /** Opens a listening socket for `key`; returns its port. */
  listen(key: string, port: number): void {
    const fd = listenTcp({ ip: ipv4("127.0.0.1"), port, reusePort: true });
    this.#channel.sendFd(key, fd);
    closeSync(fd);
  }
  /** The first message for which `wanted` says yes, now or later. */
  async message(wanted: (message: FromDataplane) => boolean): Promise<FromDataplane> {
    for (;;) {
      const found = this.messages.find(wanted);
      if (found !== undefined) return found;
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
  async apply(config: ProxyConfig): Promise<readonly string[]> {
    this.send({ kind: "config", config });
    const applied = await this.message((message) => message.kind === "applied" && message.version === config.version);
    return applied.kind === "applied" ? applied.listening : [];
  }
  /** The exit code. */
  async ended(): Promise<number | null> {
    await this.#exit;
    return this.process.exitCode;
  }
  hangUp(): void {
    this.#channel[Symbol.dispose]();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel[Symbol.dispose]();
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGKILL");
    await this.#exit;
  }
}

/** A client connection that collects what it receives. */
export class Client {
  readonly socket: Socket;
  text = "";
  ended = false;
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.on("data", (octets: Buffer) => {
      this.text += octets.toString("latin1");
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake();
    };
    this.socket.on("end", end);
    this.socket.on("close", end);
    this.socket.on("error", end);
  }
  say(text: string): void {
    this.socket.write(text, "latin1");
  }
  /** Until `text` matches or the connection has ended. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text) && !this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.text;
  }
  async end(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.text;
  }
  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A port that nobody uses now. */
export async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
