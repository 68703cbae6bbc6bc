import { describe, expect, it } from "vitest";
import {
  backlog,
  capabilities,
  conflicts,
  ioUring,
  kernelVersion,
  migration,
  openFiles,
} from "../../daemon/doctor/machine.ts";

describe("doctor: verdicts on the machine", () => {
  it("kernel and io_uring", () => {
    expect(kernelVersion("6.1.0-18-amd64").verdict).toBe("ok");
    expect(kernelVersion("4.19.0").verdict).toBe("error");
    expect(ioUring("6.1.0", "0\n").verdict).toBe("ok");
    expect(ioUring("6.1.0", undefined).verdict).toBe("ok");
    expect(ioUring("6.8.0", "2\n")).toMatchObject({ verdict: "warning", hint: "sysctl kernel.io_uring_disabled=0" });
    expect(ioUring("5.15.0", undefined).verdict).toBe("warning");
  });
  it("capabilities(7) by their bits", () => {
    const all = capabilities("Name:\tx\nCapEff:\t0000000000003400\n");
    expect(all.map(({ verdict }) => verdict)).toEqual(["ok", "ok", "ok"]);
    const none = capabilities("CapEff:\t0000000000000000\n");
    expect(none.map(({ name }) => name)).toEqual([
      "capability.net-admin",
      "capability.net-raw",
      "capability.net-bind-service",
    ]);
    expect(none.every(({ verdict }) => verdict === "error")).toBe(true);
  });
  it("limits", () => {
    expect(openFiles("Max open files            262144               262144               files").verdict).toBe("ok");
    expect(openFiles("Max open files            1024                 4096                 files").verdict).toBe(
      "warning",
    );
    expect(backlog("128\n").verdict).toBe("warning");
    expect(backlog("4096\n").verdict).toBe("ok");
    expect([migration("1\n"), migration("0\n"), migration(undefined)].map(({ verdict }) => verdict)).toEqual([
      "ok",
      "warning",
      "ok",
    ]);
  });
  it("rivals by their name and by the protocol they speak (VRRP, 112)", () => {
    expect(conflicts([{ pid: 7, command: "keepalived" }], "")).toMatchObject([
      { name: "conflict.keepalived", verdict: "warning" },
    ]);
    const raw = "  sl  local_address rem_address   st\n  12: 00000000:0070 00000000:0000 07 00000000:00000000\n";
    expect(conflicts([], raw)).toMatchObject([{ name: "conflict.vrrp" }]);
    expect(conflicts([{ pid: 1, command: "init" }], raw.replace("0070", "0001"))).toMatchObject([
      { name: "conflict", verdict: "ok" },
    ]);
  });
});
