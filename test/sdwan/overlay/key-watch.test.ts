/** Whoever can reach a port can send what looks like a handshake's first message: it must not keep us busy. */
import { expect, test } from "vitest";
import { ipOf } from "../../../base/address.ts";
import { SILENT } from "../../../base/log.ts";
import { after, instant, ms } from "../../../base/unit.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { KeyWatch } from "../../../sdwan/overlay/driver/key-watch.ts";

test.skipIf(process.getuid?.() !== 0)("forged handshakes hold attention for a small part of the time", () => {
  using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
  let now = instant(1_000_000);
  loop.now = () => now;
  let looks = 0;
  using watch = new KeyWatch(loop, () => {
    looks++;
  });
  const ip = ipOf("127.0.0.1");
  const fd = openUdp({ bind: { ip, port: 0 } });
  const port = nameOf(fd)?.port ?? 0;
  using socket = loop.datagrams(fd, { received: () => undefined });
  watch.listen(port);
  const forged = new Uint8Array(148);
  forged[0] = 1;
  let attentive = 0;
  const send = (): void => {
    socket.send(forged, encodeInet({ ip, port }));
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
  };
  send();
  expect(watch.isAttentive).toBe(true);
  for (let step = 0; step < 600; step++) {
    send();
    if (watch.isAttentive) attentive++;
    now = after(now, ms(100));
  }
  expect(attentive).toBeLessThan(150);
  expect(looks).toBeLessThan(150);
  now = after(now, ms(60_000));
  send();
  expect(watch.isAttentive).toBe(true);
});
