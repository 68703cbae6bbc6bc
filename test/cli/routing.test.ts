/** `novactl bgp | ospf | bfd | trace`, and what status and completion make of routing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../cli/command.ts";
import { PEERS, ROUTING_ANSWERS, SESSIONS, TRACE } from "../daemon/routing-answers.ts";
import { FakeDaemon, STATUS } from "./terminal.ts";

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await new FakeDaemon().listen();
});
afterAll(() => daemon[Symbol.asyncDispose]());
const lines = (text: string): readonly string[] => text.trimEnd().split("\n");

describe("novactl bgp", () => {
  it("lists peers with sums over their families", async () => {
    const { exit, out } = await daemon.novactl(["bgp"]);
    expect(exit).toBe(EXIT.ok);
    expect(lines(out)).toEqual([
      "AS 65001, router id 192.0.2.7, port 179, announces 1 network",
      "",
      "PEER   ADDRESS     AS      STATE         FOR   RECEIVED   ACCEPTED   ANNOUNCED   BFD   LAST-ERROR",
      "tor1   192.0.2.1   65000   established   1m    22         11         7           up    hold-timer-expired received",
      "tor2   192.0.2.2   -       shut down     10s   0          0          0           -     -",
    ]);
  });
  it("a name alone is no word of the command, and the hint says where it goes", async () => {
    const { exit, err } = await daemon.novactl(["bgp", "tor1"]);
    expect(exit).toBe(64);
    expect(err).toContain("hint: of one peer: novactl bgp peers PEER");
  });
  it("one peer by name or address, in full", async () => {
    for (const which of ["tor1", "192.0.2.1"]) {
      const { out } = await daemon.novactl(["bgp", "peers", which, "-o", "wide"]);
      expect(out).toContain("route-refresh,four-octet-as");
      expect(out).toContain("bad-marker=1");
      expect(out).not.toContain("tor2");
    }
    const { exit, err } = await daemon.novactl(["bgp", "peers", "tor9"]);
    expect([exit, err]).toEqual([EXIT.failed, "novactl: error: there is no BGP peer tor9 [NOT_FOUND]\n"]);
  });
  it("as JSON, YAML and names", async () => {
    const json = JSON.parse((await daemon.novactl(["bgp", "-o", "json"])).out) as { peers: unknown };
    expect(json.peers).toEqual(JSON.parse(JSON.stringify(PEERS)));
    expect((await daemon.novactl(["bgp", "-o", "yaml"])).out).toContain("  - name: tor1\n");
    expect((await daemon.novactl(["bgp", "-o", "name"])).out).toBe("tor1\ntor2\n");
  });
  it("routes, with what was left out", async () => {
    const { out, err } = await daemon.novactl(["bgp", "routes", "10.0.0.0/8", "--peer", "tor1"]);
    expect(lines(out)[1]).toBe(
      "best   10.0.0.0/8   192.0.2.1   tor1   65000 65010   igp      100    5     as-path-length",
    );
    expect(err).toContain("4 more");
  });
  it("clear", async () => {
    expect((await daemon.novactl(["bgp", "clear", "tor1"])).out).toBe("tor1: the session ends and begins anew\n");
    const soft = await daemon.novactl(["bgp", "clear", "tor1", "--soft", "in"]);
    expect(soft.out).toBe("tor1: the peer is asked for its routes again\n");
    expect((await daemon.novactl(["bgp", "clear"])).exit).toBe(EXIT.usage);
    const unknown = await daemon.novactl(["bgp", "clear", "x"]);
    expect([unknown.exit, unknown.err]).toEqual([EXIT.failed, "novactl: error: there is no BGP peer x [NOT_FOUND]\n"]);
  });
  it("a word that is none is answered with the nearest", async () => {
    const { exit, err } = await daemon.novactl(["bgp", "route"]);
    expect(exit).toBe(EXIT.usage);
    expect(err).toContain("did you mean routes?");
  });
  it("says why there is nothing", async () => {
    await using none = await new FakeDaemon({ bgp: () => ({ router: undefined, peers: [] }) }).listen();
    const { exit, err } = await none.novactl(["bgp"]);
    expect(exit).toBe(EXIT.ok);
    expect(err).toContain("no BGP here");
  });
});

describe("novactl ospf", () => {
  it("interfaces and neighbors", async () => {
    const { out } = await daemon.novactl(["ospf"]);
    expect(out).toContain("OSPFv2: router id 192.0.2.7, areas 0.0.0.1, announces 1 network\n");
    expect(out).toContain("v2        eth0        0.0.0.1   dr      192.0.2.7   192.0.2.1   2           auth-key=3\n");
    expect(out).toMatch(/192\.0\.2\.2 +10\.0\.0\.2 +0 +ex-start .* mtu-mismatch\n/);
  });
  it("the database, numbers as protocols write them", async () => {
    const { out } = await daemon.novactl(["ospf", "database"]);
    expect(lines(out)[1]).toBe("0.0.0.1   router   192.0.2.7   192.0.2.7   12    0x80000001   0xbeef     48");
  });
  it("routes", async () => {
    const { out } = await daemon.novactl(["ospf", "routes"]);
    expect(lines(out)[1]).toBe("10.9.0.0/16   intra-area   30     10.0.0.1%eth0 eth1");
  });
});

describe("novactl bfd", () => {
  it("sessions with their clients; packets of nobody", async () => {
    const { out, err } = await daemon.novactl(["bfd"]);
    expect(lines(out)[1]).toBe(
      "192.0.2.1   eth0        up      30s   50ms       150ms       none                        1       bgp/tor1",
    );
    expect(err).toBe("packets that belong to no session: no-session=2\n");
    const json = JSON.parse((await daemon.novactl(["bfd", "-o", "json"])).out) as { sessions: unknown };
    expect(json.sessions).toEqual(JSON.parse(JSON.stringify(SESSIONS)));
  });
});

describe("novactl trace", () => {
  const ending = {
    trace: ((protocol, peer, line) => {
      line({ ...TRACE, protocol, peer: peer ?? "all", text: "OPEN\u001b[2J" });
      return { [Symbol.dispose]: () => undefined };
    }) satisfies typeof ROUTING_ANSWERS.trace,
  };
  it.each([
    ["table", "00:00:05.000  in     tor1             OPEN\\u001b[2J\n"],
    ["json", `${JSON.stringify({ ...TRACE, text: "OPEN\u001b[2J" })}\n`],
  ])("%s: lines until it is interrupted", async (format, expected) => {
    await using one = await new FakeDaemon(ending).listen();
    const interrupt = new AbortController();
    const { exit, out } = await one.novactl(["trace", "bgp", "tor1", "-o", format], {
      signal: interrupt.signal,
      seen: () => interrupt.abort(),
    });
    expect([exit, out]).toEqual([EXIT.ok, expected]);
  });
  it("what is not routed is not waited for", async () => {
    const why = { code: "NOT_ROUTING", message: "nothing is routed here", problems: [] } as const;
    await using none = await new FakeDaemon({ untraceable: () => why }).listen();
    const { exit, err } = await none.novactl(["trace", "bgp"]);
    expect([exit, err]).toEqual([EXIT.failed, "novactl: error: nothing is routed here [NOT_ROUTING]\n"]);
  });
  it("a protocol that is none is refused before anything is asked", async () => {
    expect((await daemon.novactl(["trace", "rip"])).exit).toBe(EXIT.usage);
  });
});

describe("routing elsewhere", () => {
  it("status shows what is announced, and to whom", async () => {
    const [edge] = STATUS.vips;
    if (edge === undefined) throw new TypeError("no virtual IP");
    const neighbors = [
      { name: "tor1", state: "established", bfd: "up" },
      { name: "tor2", state: "active", bfd: undefined },
    ];
    const vip = { ...edge, name: "any", mode: "BGP", state: "announced" as const, ifname: "lo", neighbors };
    await using one = await new FakeDaemon({ status: () => ({ ...STATUS, vips: [edge, vip] }) }).listen();
    const { out } = await one.novactl(["status"]);
    expect(out).toContain("any    192.0.2.10/32,2001:db8::10/128   BGP    announced   1/2 tor1   yes\n");
    expect(out).toContain("BGP        192.0.2.7   1/2   peers, AS 65001; the last choice (graceful shutdown)\n");
    expect(out).toContain("OSPF       192.0.2.7   1/2   neighbors on 1 interface; the last choice (max-metric)\n");
    // Sessions go on without it.
    const withdrawn = { ...vip, state: "withdrawn" as const };
    await using other = await new FakeDaemon({ status: () => ({ ...STATUS, vips: [withdrawn] }) }).listen();
    expect((await other.novactl(["status"])).out).toMatch(/ withdrawn +0\/2 +yes\n/);
  });
  it("completion knows the words and asks for the peers", async () => {
    const bash = (await daemon.novactl(["completion", "bash"])).out;
    expect(bash).toContain('compgen -W "peers routes clear"');
    expect(bash).toContain("novactl bgp -o name");
    expect((await daemon.novactl(["completion", "fish"])).out).toContain("'bgp ospf bfd arp'");
  });
});
