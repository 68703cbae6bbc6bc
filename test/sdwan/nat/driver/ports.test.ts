/** STUN from a port that another socket owns, against coturn, through gateways of every kind. */
import { describe, expect, test } from "vitest";
import { type Ip, ipOf } from "../../../../base/address.ts";
import { SILENT } from "../../../../base/log.ts";
import { after, earliest, type Instant, seconds } from "../../../../base/unit.ts";
import { buildLab } from "../../../../lab/build.ts";
import { startCoturn } from "../../../../lab/peers/coturn.ts";
import { missing } from "../../../../lab/peers/installed.ts";
import { CORE, type Gateways, outside, sites, type Wan } from "../../../../lab/topology/sites.ts";
import { inside } from "../../../../netstack/kernel/namespace.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { decodeStun, encodeBindingSuccess } from "../../../../netstack/stun/packet.ts";
import type { Behavior } from "../../../../netstack/stun/plan.ts";
import { Ports } from "../../../../sdwan/nat/driver/ports.ts";

const PORT = 51_820;
const why = missing("coturn");
const nats: Readonly<Partial<Record<`${number}.${Wan}`, Gateways>>> = {
  "1.2": "full-cone",
  "2.1": "preserving",
  "2.2": "independent",
  "3.1": "address",
  "3.2": "sequential",
};

const expected: Readonly<Record<`${number}.${Wan}`, Partial<Behavior>>> = {
  "1.1": { mapping: "none", filtering: "none" },
  "1.2": { mapping: "endpoint-independent", filtering: "endpoint-independent" },
  "2.1": { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
  "2.2": { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
  "3.1": { mapping: "address-dependent", filtering: "address-and-port-dependent" },
  "3.2": { mapping: "address-and-port-dependent", filtering: "address-and-port-dependent" },
};

describe.skipIf(why !== undefined)(`ports of tunnels, as the outside sees them (${why ?? "coturn is here"})`, () => {
  test("RFC 5780: mapping, filtering, address and port, while another socket owns the port", async () => {
    await using lab = await buildLab(sites({ count: 3, nats }));
    await using _servers = await startCoturn(lab.host("core"), [...CORE.isp1, ...CORE.isp2]);
    using loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
    const looks = Object.entries(expected).map(([key, behavior]) => {
      const [site = 0, number = 0] = key.split(".").map(Number);
      const wan = number as Wan;
      const kind = nats[key as `${number}.${Wan}`] ?? "none";
      const local = ipOf(kind === "none" ? outside(site, wan) : `192.168.${site}${wan}.10`);
      const where = { ifname: `wan${wan}`, local, isp: CORE[`isp${wan}`] };
      const outsideIp = ipOf(outside(site, wan));
      return {
        key,
        behavior,
        kind,
        outsideIp,
        look: inside(lab.host(`e${site}`).namespace, () => lookOn(loop, where)),
      };
    });
    turn(
      loop,
      looks.map(({ look }) => look.ports),
      () => looks.every(({ look }) => look.behavior !== undefined),
    );
    for (const { key, behavior, kind, outsideIp, look } of looks) {
      const { mapped, ...seen } = look.behavior ?? { mapped: undefined };
      const end = look.ports.end("nv-test");
      const kinds = end.candidates.map((each) => each.kind);
      // The owner of the port got its copies, and whoever listens here got its own.
      expect({ key, ...seen, ip: mapped?.ip, kept: mapped?.port === PORT, kinds, step: end.step }).toMatchObject({
        key,
        ...behavior,
        ip: outsideIp,
        kept: kind === "none" || kind === "preserving" || kind === "full-cone",
        kinds: kind === "none" ? ["mapped"] : ["mapped", "host"],
        step: kind === "sequential" ? 1 : undefined,
      });
      expect(look.delivered).toBeGreaterThan(0);
      look[Symbol.dispose]();
    }
  });

  test("a stranger's answers change nothing", async () => {
    await using lab = await buildLab(sites({ count: 1 }));
    const liar = lab.host("core").namespace;
    const seen = inside(lab.host("e1").namespace, () => {
      using loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
      const behaviors: Behavior[] = [];
      using ports = portsOn(loop, (behavior) => behaviors.push(behavior));
      const fd = inside(liar, () => openUdp({ bind: { ip: ipOf(CORE.isp1[0]), port: 3478 } }));
      using server = loop.datagrams(fd, {
        received(_, bytes, { from }) {
          const asked = decodeStun(bytes);
          if (!asked.ok) return;
          const other = asked.value.transaction.map((octet) => octet ^ 1);
          const lie = { ip: ipOf("192.0.2.66"), port: 6666 };
          server.send(encodeBindingSuccess(other, lie), from.slice()); // not what was asked
          server.send(encodeBindingSuccess(asked.value.transaction, lie).subarray(0, 30), from.slice()); // cut off
        },
      });
      start(ports, { ifname: "wan1", local: ipOf(outside(1, 1)), isp: [CORE.isp1[0]] });
      turn(loop, [ports], () => behaviors.length > 0);
      return behaviors;
    });
    expect(seen).toMatchObject([{ mapped: undefined, mapping: "unknown", why: "no server answers" }]);
  });
});

interface Where {
  readonly ifname: string;
  readonly local: Ip;
  readonly isp: readonly string[];
}

interface Look extends Disposable {
  behavior: Behavior | undefined;
  delivered: number;
  readonly ports: Ports;
}

function lookOn(loop: ReturnType<typeof openLoop>, where: Where): Look {
  const owner = loop.datagrams(openUdp({ bind: { ip: where.local, port: PORT } }), {
    received: () => {
      look.delivered++;
    },
  });
  const ports = portsOn(loop, (found) => {
    look.behavior = found;
  });
  const look: Look = {
    behavior: undefined,
    delivered: 0,
    ports,
    [Symbol.dispose]() {
      ports[Symbol.dispose]();
      owner[Symbol.dispose]();
    },
  };
  start(ports, where);
  return look;
}

function portsOn(loop: ReturnType<typeof openLoop>, behavior: (found: Behavior) => void): Ports {
  return new Ports({
    loop,
    received: () => undefined,
    changed: () => undefined,
    behavior: (_, __, found) => behavior(found),
  });
}

function start(ports: Ports, { ifname, local, isp }: Where): void {
  ports.plan([{ ifname: "nv-test", link: "isp", listenPort: PORT }], 300_000);
  ports.servers(isp.map((address) => ({ ip: ipOf(address), port: 3478 })));
  ports.links([{ name: "isp", ifname, mark: 1, up: true, addresses: [local], publicIp: undefined }]);
}

function turn(loop: ReturnType<typeof openLoop>, all: readonly Ports[], done: () => boolean): void {
  const deadline: Instant = after(loop.now(), seconds(20));
  const wake = (): void => {
    let due = after(loop.now(), seconds(0.1));
    for (const ports of all) {
      ports.wake(loop.now());
      due = earliest(due, ports.due()) ?? due;
    }
    if (done() || loop.now() > deadline) return loop.stop();
    loop.wakeAt(due, wake);
  };
  loop.wakeAt(loop.now(), wake);
  loop.run();
}
