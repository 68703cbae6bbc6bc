/** Messages that two parsers could read in two ways: refused, the connection closed, no server reached. RFC 9112 §11.2 */
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { NO_LEAKS, Rig } from "./rig.ts";

const INNER = "GET /secret HTTP/1.1\r\nHost: h\r\n\r\n";
const TRICKS: Readonly<Record<string, string>> = {
  "two lengths, §6.3": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 6\r\n\r\n${INNER}`,
  "a list of lengths, §6.3": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 6\r\n\r\n${INNER}`,
  "equal lengths twice, §6.3": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n${INNER}`,
  "length and chunks, §6.1": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "chunks and length, §6.1": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${INNER}`,
  "a coding that is not last, §6.1": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${INNER}`,
  "a coding in disguise": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${INNER}`,
  "a coding twice": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${INNER}`,
  "a coding in HTTP/1.0, §6.1": `POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "white space before the colon, §5.1": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "a folded line, §5.2": `POST / HTTP/1.1\r\nHost: h\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n${INNER}`,
  "a bare LF, §2.2": `POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n${INNER}`,
  "a bare CR, §2.2": `POST / HTTP/1.1\r\nHost: h\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n${INNER}`,
  "a NUL in a value": `POST / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n${INNER}`,
  "a signed length": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +6\r\n\r\n${INNER}`,
  "a hexadecimal length": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x6\r\n\r\n${INNER}`,
  "a length beyond numbers": `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n${INNER}`,
  "two hosts, §3.2": `GET / HTTP/1.1\r\nHost: h\r\nHost: other\r\n\r\n${INNER}`,
  "no host, §3.2": `GET / HTTP/1.1\r\n\r\n${INNER}`,
  "a chunk size with a sign": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n${INNER}`,
  "a chunk size with 0x": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${INNER}`,
  "a chunk size with white space": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n${INNER}`,
  "a chunk size that overflows": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${INNER}`,
  "a chunk longer than its size": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n${INNER}`,
  "a chunk line that ends with LF": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n${INNER}`,
  "a length in a trailer, RFC 9110 §6.5.1": `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 6\r\n\r\n${INNER}`,
  "junk before the request": `junk\r\n${INNER}`,
  "a space in the target": `GET /a b HTTP/1.1\r\nHost: h\r\n\r\n${INNER}`,
};

describe("RFC 9112 §11.2: request smuggling", () => {
  it.each(Object.entries(TRICKS))("%s", (_name, octets) => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, octets);
    expect(client.text).toMatch(/^HTTP\/1\.1 (400|501) /);
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(client.text).toContain("Connection: close\r\n");
    expect(client.finSent).toBe(true);
    expect(rig.loop.dialled).toEqual([]);
    rig.pass(seconds(10));
    expect(client.open).toBe(false);
    expect(rig.leaks()).toEqual(NO_LEAKS);
    expect([...rig.traffic.stats.refused.values()]).toEqual([1]);
  });

  it.each(Object.entries(TRICKS))("%s, octet by octet, reaches no server with its second request", (_name, octets) => {
    const rig = new Rig();
    const client = rig.client();
    client.feed(octets, 1);
    rig.loop.turn();
    const server = rig.loop.dialled[0];
    if (server !== undefined) {
      server.establish();
      rig.loop.turn();
      expect(server.text).not.toContain("/secret");
      expect(server.open).toBe(false);
    }
    rig.pass(seconds(20));
    expect(client.text).toMatch(/^HTTP\/1\.1 (400|408|501) /);
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(client.open).toBe(false);
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });
});

describe("RFC 9112 §11.1: response splitting", () => {
  const BAD: Readonly<Record<string, string>> = {
    "length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a folded line": "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "a bare LF": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a switch that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  };
  it.each(Object.entries(BAD))("%s is a 502", (_name, octets) => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, INNER);
    const server = rig.server();
    rig.say(server, octets);
    expect(client.text).toMatch(/^HTTP\/1\.1 502 /);
    expect(server.open).toBe(false);
  });
});
