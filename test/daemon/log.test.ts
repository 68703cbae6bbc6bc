import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatFor, journalRecord, type LogFormat, openLog } from "../../daemon/log.ts";

function lines(format: LogFormat): { readonly out: string[]; readonly log: ReturnType<typeof openLog> } {
  const out: string[] = [];
  return { out, log: openLog(format, "info", (line) => void out.push(line), "/nonexistent/journal") };
}

/** What journald would read: fields of a native record. */
function fieldsOf(record: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < record.length; ) {
    const end = record.indexOf("\n", at);
    const line = record.toString("utf8", at, end);
    const equals = line.indexOf("=");
    if (equals >= 0) {
      fields.set(line.slice(0, equals), line.slice(equals + 1));
      at = end + 1;
      continue;
    }
    const length = Number(record.readBigUInt64LE(end + 1));
    fields.set(line, record.toString("utf8", end + 9, end + 9 + length));
    at = end + 9 + length + 1;
  }
  return fields;
}

describe("the journal's native protocol", () => {
  it("every field is a journal field; values with line feeds carry their length", () => {
    const fields = { vip: "web", eligibleWhy: "a=b", lines: "one\ntwo=2\n", n: 3, list: ["x"], none: undefined };
    expect(Object.fromEntries(fieldsOf(journalRecord("warn", "vip.moved", fields)))).toEqual({
      MESSAGE: 'vip.moved vip=web eligibleWhy="a=b" lines="one\\ntwo=2\\n" n=3 list=["x"]',
      PRIORITY: "4",
      SYSLOG_IDENTIFIER: "novaedge",
      NOVAEDGE_EVENT: "vip.moved",
      NOVAEDGE_VIP: "web",
      NOVAEDGE_ELIGIBLE_WHY: "a=b",
      NOVAEDGE_LINES: "one\ntwo=2\n",
      NOVAEDGE_N: "3",
      NOVAEDGE_LIST: '["x"]',
    });
  });
  it("any text survives", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(fieldsOf(journalRecord("info", "x", { value })).get("NOVAEDGE_VALUE")).toBe(value);
      }),
    );
  });
});

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
  it("a field called name does not take the place of the event's", () => {
    const { out, log } = lines("json");
    log.info("a.b", { name: "c" });
    expect(JSON.parse(out[0] ?? "")).toMatchObject({ name: "a.b", named: "c" });
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
