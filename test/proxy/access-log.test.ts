import { describe, expect, it } from "vitest";
import { AccessLog } from "../../proxy/access-log.ts";
import { proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";

describe("an access log", () => {
  const logged = (part: object) =>
    proxy([{}], [{}], {
      accessLog: { enabled: true, format: "json", excludePaths: [], filterStatusCodes: [], sampleRate: 1, ...part },
    });
  function one(rig: Rig, request = GET, response = OK): void {
    const client = rig.client();
    rig.say(client, request);
    if (rig.loop.dialled.length > 0) rig.server();
    const server = rig.loop.streams.findLast((stream) => stream.text.startsWith("GET"));
    if (server !== undefined) rig.say(server, response);
    rig.traffic.log.flush();
  }

  it("has one JSON line per request", () => {
    const rig = new Rig(logged({}));
    one(rig, GET.replace("\r\n\r\n", '\r\nUser-Agent: "x"\\\r\nX-Request-ID: id-1\r\n\r\n'));
    expect(JSON.parse(rig.log)).toEqual({
      time: "2026-11-20T12:00:00.000Z",
      client: "192.0.2.7",
      method: "GET",
      target: "/a",
      protocol: "HTTP/1.1",
      host: "h.example",
      status: 200,
      bytes: 5,
      durationMs: 0,
      listener: "web",
      route: "r",
      endpoint: "198.51.100.1:80",
      requestId: "id-1",
      userAgent: '"x"\\',
    });
  });

  it("speaks the common log format, and a client cannot end its line", () => {
    const rig = new Rig(logged({ format: "clf" }));
    one(rig, GET.replace("/a", '/a"'));
    expect(rig.log).toBe('192.0.2.7 - - [20/Nov/2026:12:00:00 +0000] "GET /a\\" HTTP/1.1" 200 5\n');
  });

  it("leaves out paths, statuses and samples", () => {
    const excluded = new Rig(logged({ excludePaths: ["/a"] }));
    one(excluded);
    expect(excluded.log).toBe("");
    const filtered = new Rig(logged({ filterStatusCodes: [500] }));
    one(filtered);
    one(filtered, GET, OK.replace("200 OK", "500 No"));
    expect(filtered.log.match(/"status":500/g)).toHaveLength(1);
    expect(filtered.log.match(/\n/g)).toHaveLength(1);
    const none = new Rig(logged({ sampleRate: 0.4 }));
    one(none);
    expect(none.log).toBe("");
  });

  it("waits for a reader that does not keep up, and counts what it drops", () => {
    let takes = 0;
    let written = "";
    const sink = (octets: Buffer): number => {
      const taken = Math.min(takes, octets.length);
      written += octets.toString("utf8", 0, taken);
      return taken;
    };
    const log = new AccessLog(sink, Date.now, Math.random);
    const entry = { time: 0, client: "c", method: "GET", target: "/", minor: 1 } as const;
    const rest = { host: "h", userAgent: "", referer: "", requestId: "" } as const;
    const { accessLog } = logged({}).listeners[0] as ReturnType<typeof logged>["listeners"][0];
    let lines = 0;
    for (; log.dropped === 0; lines++) log.end({ ...entry, ...rest }, accessLog, "web", "r", undefined, 200, lines, 1);
    expect(written).toBe("");
    takes = 1_000_003; // in the middle of a line
    for (let round = 0; round < 10; round++) log.flush();
    const numbers = written
      .trimEnd()
      .split("\n")
      .map((line) => Number(JSON.parse(line).bytes));
    expect(numbers).toEqual(Array.from({ length: lines - 1 }, (_, index) => index));
  });
});
