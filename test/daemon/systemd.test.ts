import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../base/clock.ts";
import { type Instant, instant } from "../../base/unit.ts";
import { EXIT, parseCommand } from "../../daemon/flags.ts";
import { openLog } from "../../daemon/log.ts";
import { serviceManager, serviceManagerOf, watchdogEvery } from "../../daemon/systemd.ts";
import * as libc from "../../netstack/kernel/libc.ts";
import { AF_UNIX, encodeUnix } from "../../netstack/kernel/sockaddr.ts";

describe("sd_notify(3)", () => {
  const record = (environment: Parameters<typeof serviceManager>[0]) => {
    const sent: string[] = [];
    return { sent, manager: serviceManager(environment, 42, (path, text) => sent.push(`${path} ${text}`) && 0) };
  };
  it("READY, RELOADING with its time, STOPPING; a status is one line and said once", () => {
    const { sent, manager } = record({ NOTIFY_SOCKET: "@nv/notify" });
    manager.ready("fine\nX=1");
    manager.status("a");
    manager.status("a");
    manager.reloading();
    manager.stopping("bye");
    expect(sent[0]).toBe("@nv/notify READY=1\nSTATUS=fine X=1");
    expect(sent[1]).toBe("@nv/notify STATUS=a");
    expect(sent[2]).toMatch(/^@nv\/notify RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(sent[3]).toBe("@nv/notify STOPPING=1\nSTATUS=bye");
  });
  it("descriptors are kept and forgotten by name; why not is told; without a manager nothing is", () => {
    const { sent, manager } = record({ NOTIFY_SOCKET: "/n" });
    expect(manager.keep("pulse", 7)).toBeUndefined();
    manager.forget("pulse");
    expect(sent).toEqual(["/n FDSTORE=1\nFDNAME=pulse", "/n FDSTOREREMOVE=1\nFDNAME=pulse"]);
    expect(serviceManager({ NOTIFY_SOCKET: "/n" }, 42, () => 11).keep("pulse", 7)).toBe("EAGAIN");
    expect(serviceManager({}, 42, () => 11).keep("pulse", 7)).toBeUndefined();
  });
  it("an end is no restart where nobody can be asked", async () => {
    expect(await record({}).manager.restarts()).toBe(false);
    expect(await record({ NOTIFY_SOCKET: "/n" }).manager.restarts()).toBe(false);
    expect(await record({ NOTIFY_SOCKET: "/n", NOVAEDGE_UNIT: "no-such.service" }).manager.restarts()).toBe(false);
  });
  it("says nothing to nobody", () => {
    const { sent, manager } = record({});
    manager.ready("fine");
    expect(sent).toEqual([]);
  });
  it("the watchdog is fed three times per period, only while all parts live, and not for another process", () => {
    let now: Instant = instant(0);
    const alarms: { readonly at: Instant; readonly wake: () => void }[] = [];
    const clock: Clock = {
      now: () => now,
      wakeAt: (at, wake) => {
        alarms.push({ at, wake });
        return { [Symbol.dispose]: () => void alarms.splice(0) };
      },
    };
    const { sent, manager } = record({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "42" });
    let alive = true;
    const watching = manager.watch(clock, () => alive);
    const pass = (): void => {
      const next = alarms.shift();
      if (next === undefined) return;
      now = next.at;
      next.wake();
    };
    pass();
    pass();
    expect(now).toBe(2_000);
    expect(sent).toEqual(["/n WATCHDOG=1", "/n WATCHDOG=1", "/n WATCHDOG=1"]);
    alive = false;
    pass();
    expect(sent).toHaveLength(3);
    alive = true;
    pass();
    expect(sent).toHaveLength(4);
    watching[Symbol.dispose]();
    expect(alarms).toEqual([]);
    expect(watchdogEvery({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "43" }, 42)).toBeUndefined();
    expect(watchdogEvery({}, 42)).toBeUndefined();
  });
});

describe("the unit", () => {
  const unit = readFileSync(new URL("../../systemd/novaedge.service", import.meta.url), "utf8");
  it("starts with a directory, in which settings are optional, and waits for no file", () => {
    const words = /^ExecStart=\/usr\/bin\/novaedge (.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
    expect(parseCommand(words)).toMatchObject({ ok: true, value: { kind: "run", flags: { config: "/etc/novaedge" } } });
    expect(unit).not.toMatch(/^Condition/m);
    expect(unit).toMatch(/^ConfigurationDirectory=novaedge novaedge\/conf\.d$/m);
  });
  it("keeps a door to each child, and asks for the unit's job by its name", () => {
    expect(unit).toMatch(/^FileDescriptorStoreMax=\d{2,}$/m);
    expect(unit).toMatch(/^KillMode=process$/m);
    expect(unit).toMatch(/^Environment=NOVAEDGE_UNIT=%n$/m);
  });
  it("does not restart after what a restart cannot change", () => {
    expect(unit).toContain(`RestartPreventExitStatus=${EXIT.usage} ${EXIT.config}\n`);
  });
});

describe("datagrams of a Unix socket", () => {
  const receiver = (name: string): Disposable & { next(): string | undefined } => {
    const fd = libc.must(libc.socket(AF_UNIX, 2 | 0x800, 0), "socket");
    const address = encodeUnix(name);
    libc.must(libc.bind(fd, address, address.length), "bind");
    const buffer = new Uint8Array(65_536);
    return {
      next: () => {
        const got = libc.recv(fd, buffer, buffer.length, 0);
        return got < 0 ? undefined : Buffer.from(buffer.subarray(0, got)).toString();
      },
      [Symbol.dispose]: () => void libc.close(fd),
    };
  };
  it("arrive at a path and at an abstract name; one that nobody reads harms nobody", () => {
    const dir = mkdtempSync(join(tmpdir(), "nv-notify-"));
    try {
      const path = join(dir, "notify");
      using socket = receiver(path);
      using abstract = receiver(`\0nv-notify-${process.pid}`);
      serviceManagerOf({ NOTIFY_SOCKET: path }, 1).ready("a");
      expect(socket.next()).toBe("READY=1\nSTATUS=a");
      serviceManagerOf({ NOTIFY_SOCKET: `@nv-notify-${process.pid}` }, 1).ready("b");
      expect(abstract.next()).toBe("READY=1\nSTATUS=b");
      const gone = serviceManagerOf({ NOTIFY_SOCKET: join(dir, "gone") }, 1);
      expect(() => gone.ready("c")).not.toThrow();
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it("a log line goes to the journal, and to stderr when it is too large for it or nobody is there", () => {
    const dir = mkdtempSync(join(tmpdir(), "nv-journal-"));
    try {
      const path = join(dir, "socket");
      const out: string[] = [];
      {
        using journal = receiver(path);
        const log = openLog("journal", "info", (line) => void out.push(line), path);
        log.warn("vip.moved", { vip: "web" });
        expect(journal.next()).toContain("NOVAEDGE_VIP=web\n");
        expect(out).toEqual([]);
        log.warn("long", { text: "x".repeat(4_000_000) });
        expect(out).toHaveLength(1);
      }
      openLog("journal", "info", (line) => void out.push(line), path).info("alone");
      expect(out.at(-1)).toBe("<6>alone\n");
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
