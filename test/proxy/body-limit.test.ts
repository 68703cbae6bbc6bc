/** maxRequestBodySize of listeners and rules (RFC 9110 §15.5.14). */
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const POST = "POST /a HTTP/1.1\r\nHost: h.example\r\nContent-Length: 10\r\n\r\n";
const CHUNKED = "POST /a HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Everything over: what is left must be nothing. */
function settle(rig: Rig): object {
  rig.pass(seconds(200));
  return rig.leaks();
}

describe("a request body above the limit", () => {
  it("is 413 for a body that says it is too large, and reaches no server", () => {
    const rig = new Rig(proxy([{}], [{}], { maxRequestBodySize: 9 }));
    const client = rig.client();
    rig.say(client, POST);
    expect(client.text).toMatch(/^HTTP\/1\.1 413 .*\r\n(.*\r\n)*Connection: close\r\n/);
    expect(rig.loop.dialled).toEqual([]);
    expect(client.finSent).toBe(true);
  });

  it.each<[string, string, object, object, number]>([
    ["above the listener's limit", `${POST}0123456789`, {}, { maxRequestBodySize: 9 }, 413],
    ["at the listener's limit", `${POST}0123456789`, {}, { maxRequestBodySize: 10 }, 0],
    ["above the rule's limit", `${POST}0123456789`, { maxRequestBodySize: 9 }, {}, 413],
    ["at the rule's limit", `${POST}0123456789`, { maxRequestBodySize: 10 }, { maxRequestBodySize: 100 }, 0],
    ["above the rule's limit, in part", `${POST}01234`, { maxRequestBodySize: 9 }, {}, 413],
    [
      "chunked, above the rule's limit",
      `${CHUNKED}5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n`,
      { maxRequestBodySize: 9 },
      {},
      413,
    ],
  ])("is 413 for a body that comes with its head: %s", (_what, request, rule, listener, status) => {
    const rig = new Rig(proxy([rule], [{}], listener));
    const client = rig.client();
    rig.say(client, request);
    expect(client.text.slice(0, 12)).toBe(status === 0 ? "" : `HTTP/1.1 ${status}`);
    expect(rig.loop.dialled).toHaveLength(status === 0 ? 1 : 0);
  });

  it("judges a request without a body by no other request's body", () => {
    const limited = {
      maxRequestBodySize: 8,
      matches: [{ path: undefined, method: "GET", headers: [], queryParams: [] }],
    };
    const rig = new Rig(proxy([{}, limited], [{}]));
    const client = rig.client();
    rig.say(client, `${CHUNKED}a\r\n0123456789\r\n0\r\n\r\n`);
    const server = rig.server();
    rig.say(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    rig.say(client, GET);
    rig.say(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect(client.text.match(/HTTP\/1\.1 (\d+)/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
  });

  it("is 413 for a chunked body that turns out too large, by the rule's limit", () => {
    const rig = new Rig(proxy([{ maxRequestBodySize: 8 }], [{}], { maxRequestBodySize: 100 }));
    const client = rig.client();
    rig.say(client, `${CHUNKED}5\r\nhello\r\n`);
    const server = rig.server();
    rig.say(client, "5\r\nhello\r\n");
    expect(client.text).toMatch(/^HTTP\/1\.1 413 /);
    expect(server.open).toBe(false);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });
});
