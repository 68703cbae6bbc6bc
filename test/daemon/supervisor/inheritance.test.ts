/** What the service manager has kept, and what of it a control takes over. */
import { closeSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { VERSION } from "../../../base/version.ts";
import {
  Inheritance,
  identify,
  parseStoredName,
  passedDescriptors,
  storedName,
  WORDS,
} from "../../../daemon/supervisor/inheritance.ts";

const here = (name: string) => {
  const identity = identify(name, process.pid, 1_700_000_000_000);
  if (identity === undefined) throw new Error("this process does not run");
  return identity;
};
const open = (): number => openSync("/dev/null", "r");
const isOpen = (fd: number): boolean => {
  try {
    closeSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe("names in the store, sd_pid_notify_with_fds(3)", () => {
  it("are read back as they were written, whatever the version has in it", () => {
    const identity = { ...here("dataplane/12"), version: "1.2.3-rc.1,local" };
    expect(parseStoredName(storedName(identity))).toEqual(identity);
    expect(storedName(here("pulse"))).toMatch(/^[\x20-\x39\x3b-\x7e]{1,255}$/);
    expect(here("pulse")).toMatchObject({ pid: process.pid, words: WORDS, version: VERSION });
  });
  it.each([
    "",
    "stored",
    "pulse,1,2,3,4,5",
    "pulse,x,2,3,4,5",
    "shell,10,2,3,4,5",
    "pulse,10,2,3,4",
    "pulse,10,2,3.5,4,v",
  ])("%j is nobody's", (text) => expect(parseStoredName(text)).toBeUndefined());
});

describe("an inheritance", () => {
  it("is what runs and speaks our words; the doors of the rest are closed", () => {
    const pulse = here("pulse");
    const fds = [open(), open(), open(), open()] as const;
    const names = [
      storedName(pulse),
      storedName({ ...here("routing"), words: WORDS + 1 }),
      storedName({ ...here("wan"), ticks: "1" }),
      "something else",
    ];
    const inheritance = new Inheritance(fds.map((fd, index) => ({ text: names[index] ?? "", fd })));
    expect(inheritance.useless).toEqual(names.slice(1));
    expect(fds.map(isOpen)).toEqual([true, false, false, false]);
    expect([...inheritance.pids]).toEqual([process.pid]);
    expect(inheritance.has("routing")).toBe(false);
    expect(inheritance.take("pulse")).toEqual({ ...pulse, door: fds[0] });
    expect(inheritance.take("pulse")).toBeUndefined();
    expect(inheritance.pids.size).toBe(1);
  });
  it("has data planes of several controls", () => {
    const fds = [open(), open(), open()];
    const names = ["dataplane/0", "dataplane/0", "pulse"];
    const inheritance = new Inheritance(fds.map((fd, index) => ({ text: storedName(here(names[index] ?? "")), fd })));
    expect(inheritance.takeDataplanes().map(({ door }) => door)).toEqual(fds.slice(0, 2));
    expect(inheritance.takeDataplanes()).toEqual([]);
    expect(inheritance.has("pulse")).toBe(true);
    for (const fd of fds) closeSync(fd);
  });
});

describe("sd_listen_fds(3)", () => {
  it("passes nothing that was meant for another process, and is not passed on", () => {
    const environment = { LISTEN_PID: "1", LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b", HOME: "/" };
    expect(passedDescriptors(environment, 42)).toEqual([]);
    expect(environment).toEqual({ HOME: "/" });
    expect(passedDescriptors({ LISTEN_PID: "42", LISTEN_FDS: "x" }, 42)).toEqual([]);
    expect(passedDescriptors({}, 42)).toEqual([]);
  });
});
