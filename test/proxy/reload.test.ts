import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { backend, NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const at = (...hosts: number[]) => hosts.map((host) => ({ address: `198.51.100.${host}`, port: 80, weight: 1 }));
const header = (value: string) => ({ type: "ResponseSetHeader", responseSet: [{ name: "X-Rule", value }] }) as const;

describe("a reload", () => {
  it("leaves an exchange under way with the rule it started with, and meets the next request", () => {
    const rig = new Rig(proxy([{ filters: [header("old")] }]));
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.apply(proxy([{ filters: [header("new")] }]));
    rig.say(server, OK);
    expect(client.text).toContain("X-Rule: old");
    rig.say(client, GET);
    rig.say(server, OK);
    expect(client.text).toContain("X-Rule: new");
  });

  it("keeps accepting on unchanged listeners and keeps idle connections of unchanged endpoints", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    const acceptor = [...rig.loop.acceptors.values()][0];
    for (let round = 0; round < 10; round++)
      rig.apply(proxy([{}], [{ endpoints: at(1, 2), idleTimeout: seconds(round + 1) }]));
    expect([...rig.loop.acceptors.values()]).toEqual([acceptor]);
    rig.plane.judge("b", "198.51.100.2:80", false);
    rig.say(client, GET);
    rig.say(server, OK);
    expect(client.text).toBe(OK + OK);
  });

  it("keeps health and balance of unchanged endpoints", () => {
    const rig = new Rig(proxy([{}], [{ endpoints: at(1, 2, 3) }]));
    rig.plane.judge("b", "198.51.100.2:80", false);
    const config = { interval: seconds(1), timeout: seconds(1), healthyThreshold: 1, unhealthyThreshold: 1 };
    const next = () => {
      rig.apply(proxy([{}], [{ endpoints: at(1, 2, 3), healthCheck: { ...config, httpPath: undefined } }]));
      rig.say(rig.client(), GET);
      return Number(rig.loop.dialled.at(-1)?.remote?.ip) & 255;
    };
    expect([next(), next(), next(), next()]).toEqual([1, 3, 1, 3]);
  });

  it("lets a removed endpoint finish what it carries, and closes its idle connections", () => {
    const rig = new Rig(proxy([{}], [{ endpoints: at(1) }]));
    const [idle, busy] = [rig.client(), rig.client()];
    for (const client of [idle, busy]) rig.say(client, GET);
    const [first, second] = [rig.server(), rig.server()];
    rig.say(first, OK);
    rig.apply(proxy([{}], [{ endpoints: at(2) }]));
    rig.loop.turn();
    expect(first.open).toBe(false);
    expect(second.open).toBe(true);
    rig.say(second, OK);
    expect(busy.text).toBe(OK);
    expect(second.open).toBe(false);
    rig.say(busy, GET);
    expect(Number(rig.loop.dialled[0]?.remote?.ip) & 255).toBe(2);
  });

  it("lets a removed backend finish, and waiting requests as well", () => {
    const limited = { pool: { ...backend().pool, maxConnsPerHost: 1 }, endpoints: at(1) };
    const rig = new Rig(proxy([{}], [limited]));
    const [first, second] = [rig.client(), rig.client()];
    for (const client of [first, second]) rig.say(client, GET);
    const server = rig.server();
    rig.apply(proxy([{ backends: [{ backend: "c", weight: 1 }] }], [{ name: "c", endpoints: at(2) }]));
    rig.say(server, OK);
    expect(first.text).toBe(OK);
    rig.say(rig.server(), OK);
    expect(second.text).toBe(OK);
    expect(rig.loop.streams.filter((stream) => stream.remote?.port === 80 && stream.open)).toEqual([]);
  });

  it("answers one more request on a removed listener with Connection: close, and closes what is quiet", () => {
    const rig = new Rig();
    const [busy, idle, quiet] = [rig.client(), rig.client(), rig.client()];
    rig.say(busy, GET);
    const server = rig.server();
    rig.apply({ ...proxy(), listeners: [] });
    expect(rig.loop.acceptors.size).toBe(0);
    rig.say(server, OK);
    expect(busy.text).toContain("Connection: close");
    expect(busy.finSent).toBe(true);
    busy.fin();
    rig.say(idle, GET);
    rig.say(rig.loop.dialled.length > 0 ? rig.server() : server, OK);
    expect(idle.text).toContain("Connection: close");
    idle.fin();
    rig.pass(seconds(2));
    rig.plane.retireQuiet(10);
    rig.loop.turn();
    expect(quiet.open).toBe(false);
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("changes nothing when a part of it does not compile", () => {
    const rig = new Rig();
    const bad = proxy([{ backends: [{ backend: "missing", weight: 1 }] }]);
    expect(rig.plane.apply(bad).ok).toBe(false);
    const client = rig.client();
    rig.say(client, GET);
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK);
  });

  it("says which sockets are missing, keeps those that came early for the next configuration, not for ever", () => {
    const rig = new Rig();
    const one = proxy();
    const two = { ...one, listeners: [...one.listeners, ...proxy([{}], [{}], { key: "other" }).listeners] };
    expect(rig.plane.apply(two)).toEqual({ ok: true, value: { listening: ["web"], missing: ["other"] } });
    rig.plane.socket("other", 777);
    rig.plane.socket("stray", 778);
    expect(rig.plane.apply(one).ok).toBe(true);
    expect(rig.plane.apply(two)).toEqual({ ok: true, value: { listening: ["web", "other"], missing: [] } });
    expect(rig.loop.closedFds).toEqual([]);
    rig.pass(seconds(31));
    rig.plane.trim();
    expect(rig.loop.closedFds).toEqual([778]);
  });

  it("gives a listener that was removed and comes back its new socket, even when that came before the removal", () => {
    const rig = new Rig();
    rig.plane.socket("web", 555);
    rig.apply({ ...proxy(), listeners: [] });
    expect(rig.plane.apply(proxy())).toMatchObject({ value: { listening: ["web"] } });
    expect(rig.loop.acceptors.has(555)).toBe(true);
  });
});
