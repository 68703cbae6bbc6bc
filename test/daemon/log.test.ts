import { describe, expect, it } from "vitest";
import { formatFor, type LogFormat, openLog } from "../../daemon/log.ts";

function lines(format: LogFormat): { readonly out: string[]; readonly log: ReturnType<typeof openLog> } {
  const out: string[] = [];
  return { out, log: openLog(format, "info", (line) => void out.push(line)) };
}

describe("log lines", () => {
  it("under journald carry their priority (sd-daemon(3)) and quote what would break a pair", () => {
    const { out, log } = lines("journal");
    log.warn("vip.moved", { vip: "web", why: 'a "quoted"\nline', n: 3, none: undefined, error: new Error("no") });
    log.error("x");
    expect(out).toEqual(['<4>vip.moved vip=web why="a \\"quoted\\"\\nline" n=3 error=no\n', "<3>x\n"]);
  });
  it("as JSON are one object a line, whatever the values", () => {
    const { out, log } = lines("json");
    log.info("a", { big: 5n, nested: { deep: [1] } });
    expect(JSON.parse(out[0] ?? "")).toMatchObject({ level: "info", name: "a", big: "5", nested: { deep: [1] } });
  });
  it("the level can change while it runs", () => {
    const { out, log } = lines("json");
    log.debug("no");
    log.setLevel("debug");
    log.debug("yes");
    log.setLevel("error");
    log.warn("no");
    expect(out.map((line) => (JSON.parse(line) as { name: string }).name)).toEqual(["yes"]);
  });
  it("an inherited JOURNAL_STREAM of another stream is not ours", () => {
    expect(formatFor("1:1", false)).toBe("json");
    expect(formatFor("1:1", true)).toBe("text");
    expect(formatFor(undefined, true)).toBe("text");
  });
});
