/** Addresses with ports, as text. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipOf } from "../../base/address.ts";
import { formatEndpoint, parseEndpoint } from "../../base/endpoint.ts";

describe("endpoints", () => {
  test.each(["192.0.2.1:1", "[2001:db8::1]:65535", "[fe80::1%3]:51820"])("%s there and back", (text) => {
    const endpoint = parseEndpoint(text);
    expect(endpoint.ok && formatEndpoint(endpoint.value)).toBe(text);
  });

  test("are read as they are written", () => {
    const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map(ipOf);
    fc.assert(
      fc.property(ip, fc.integer({ min: 1, max: 65_535 }), (address, port) => {
        expect(parseEndpoint(formatEndpoint({ ip: address, port }))).toEqual({
          ok: true,
          value: { ip: address, port },
        });
      }),
    );
  });

  test.each([
    "192.0.2.1",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "2001:db8::1:5",
    "[192.0.2.1]:5",
    "host:5",
    "[::1:5",
    ":5",
  ])("%s is none", (text) => {
    expect(parseEndpoint(text).ok).toBe(false);
  });
});
