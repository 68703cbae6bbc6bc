/**
 * FRR's own terminal sockets (`bgpd.vty` …): a command ends in one NUL; an answer in three and the command's result.
 * A hundredth of what a run of vtysh costs, so polling one is cheap.
 */
import { createConnection, type Socket } from "node:net";
import { Fault } from "../../base/fault.ts";

export interface Vty extends Disposable {
  /** What the daemon answers; a command that it does not take is a Fault. */
  ask(command: string): Promise<string>;
}

export async function openVty(path: string): Promise<Vty> {
  const socket = await connected(path);
  let heard = Buffer.alloc(0);
  let over: unknown;
  let waiting: { readonly done: (answer: Buffer) => void; readonly failed: (error: Fault) => void } | undefined;
  const look = (): void => {
    // Results have values other than 0 only in the last octet, and text has no NUL in it.
    const end = heard.indexOf(TAIL);
    if (end < 0 || heard.length < end + 4 || waiting === undefined) return;
    const answer = heard.subarray(0, end + 4);
    heard = heard.subarray(end + 4);
    const { done } = waiting;
    waiting = undefined;
    done(answer);
  };
  const end = (cause?: unknown): void => {
    over = new Fault("LAB", { vty: path, why: "the daemon hung up" }, cause);
    waiting?.failed(over as Fault);
    waiting = undefined;
  };
  socket.on("data", (data: Buffer) => {
    heard = Buffer.concat([heard, data]);
    look();
  });
  socket.on("error", end);
  socket.on("close", () => end());
  let last: Promise<unknown> = Promise.resolve();
  const one = async (command: string): Promise<string> => {
    if (over !== undefined) throw over;
    const answer = await new Promise<Buffer>((done, failed) => {
      waiting = { done, failed };
      socket.write(`${command}\0`);
    });
    const text = answer.subarray(0, -4).toString("utf8");
    const result = answer.at(-1);
    if (result !== 0) throw new Fault("LAB", { vty: path, command, result, said: text.trim() });
    return text;
  };
  const vty: Vty = {
    ask(command) {
      // One at a time: answers carry no names.
      const answer = last.then(() => one(command));
      last = answer.catch(() => undefined);
      return answer;
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
  await vty.ask("enable");
  return vty;
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error) => reject(new Fault("LAB", { vty: path }, error)));
  });
}

const TAIL = Buffer.from([0, 0, 0]);
