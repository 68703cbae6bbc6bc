import { expect, test } from "vitest";
import { ipv4, type Mac } from "../../../../base/address.ts";
import { instant, ms } from "../../../../base/unit.ts";
import { batched, farewell } from "../../../../netstack/vip/driver/batched.ts";
import type { Action } from "../../../../netstack/vip/event.ts";
import type { Entry, Heartbeat, Role } from "../../../../netstack/vip/packet.ts";

const [A, B] = [ipv4("192.0.2.1"), ipv4("192.0.2.2")];
const told: Action = { kind: "event", name: "vip.released", fields: {} };
const drain = (vip: typeof A, span = 1000): Action => ({
  kind: "drain",
  holding: { vip, addresses: [vip] },
  span: ms(span),
});
const announce: Action = { kind: "announce", ip: A, before: instant(0) };

test("drains of one step become one, whatever is told in between; the telling keeps its order", () => {
  expect(batched([drain(A), told, drain(B), told])).toEqual([
    { kind: "drain", addresses: [A, B], span: 1000 },
    told,
    told,
  ]);
});

test("another span, or something that is sent, parts them", () => {
  expect(batched([drain(A), drain(B, 5)])).toHaveLength(2);
  expect(batched([drain(A), announce, drain(B)]).map(({ kind }) => kind)).toEqual(["drain", "announce", "drain"]);
});

test("§6: a late heartbeat still says what is released, names no successor, and claims nothing", () => {
  const entry = (role: Role, successor?: number): Entry => ({
    vip: A,
    role,
    priority: 1,
    term: 1,
    load: 0,
    wants: false,
    successor,
    handover: ms(0),
  });
  const packet = (entries: readonly Entry[]): Heartbeat => ({
    node: "a",
    incarnation: 1,
    sequence: 1,
    interval: ms(100),
    multiplier: 3,
    mac: 2 as Mac,
    addresses: [B],
    owned: 1,
    echoes: [],
    entries,
  });
  expect(farewell(packet([entry("owner"), entry("released", 0)]))).toEqual(packet([entry("released")]));
  expect(farewell(packet([entry("owner")]))).toBeUndefined();
});
