/** Whatever octets either side sends, in whatever pieces: nothing throws, nothing hangs, nothing is left behind. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { FakeLoop } from "./fake-loop.ts";
import { NO_LEAKS, proxy, Rig } from "./rig.ts";

const REQUESTS =
  "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1\r\n\r\n" +
  "POST /b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" +
  "PUT http://h/e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n" +
  "HEAD /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
  "POST /g HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nxyz";
const RESPONSES =
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" +
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
  "HTTP/1.1 204 No Content\r\nKeep-Alive: x\r\n\r\n" +
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" +
  "HTTP/1.0 200 OK\r\n\r\nuntil the end";

const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.nat(8),
  put: fc.oneof(
    fc.constantFrom(
      "\r\n",
      "\n",
      "\r",
      " ",
      "\0",
      ":",
      "0\r\n\r\n",
      "Content-Length: 3\r\n",
      "Transfer-Encoding: chunked\r\n",
    ),
    fc.uint8Array({ maxLength: 6 }).map((octets) => Buffer.from(octets).toString("latin1")),
  ),
});
const mangled = (text: string) =>
  fc.array(change, { maxLength: 4 }).map((changes) =>
    changes.reduce((now, { at, cut, put }) => {
      const from = Math.floor(at * now.length);
      return now.slice(0, from) + put + now.slice(from + cut);
    }, text),
  );

describe("garbage", () => {
  it("from clients and servers is answered, cut or given up", () => {
    const script = fc.record({
      requests: mangled(REQUESTS),
      responses: mangled(RESPONSES),
      piece: fc.integer({ min: 1, max: 600 }),
      end: fc.constantFrom("fin", "reset", "nothing"),
    });
    fc.assert(
      fc.property(fc.array(script, { minLength: 1, maxLength: 3 }), (scripts) => {
        const rig = new Rig(proxy(), new FakeLoop(1024, 32));
        for (const { requests, responses, piece, end } of scripts) {
          const client = rig.client();
          rig.say(client, requests, piece);
          for (let round = 0; round < 6; round++) {
            rig.loop.dialled[0]?.establish();
            rig.loop.turn();
            const server = rig.loop.streams.find((stream) => stream !== client && stream.open && stream.text !== "");
            if (server !== undefined) rig.say(server, responses, piece);
          }
          if (end !== "nothing") client[end]();
          rig.loop.turn();
        }
        rig.pass(seconds(400));
        expect(rig.leaks()).toEqual(NO_LEAKS);
      }),
      { numRuns: 500 },
    );
  });
});
