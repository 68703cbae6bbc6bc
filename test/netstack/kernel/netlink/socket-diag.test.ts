/** Connections at several addresses, found in one look. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { formatIp, type Ip, ipv4, ipv6 } from "../../../../base/address.ts";
import { SocketDiag } from "../../../../netstack/kernel/netlink/socket-diag.ts";

const LOCALS: readonly Ip[] = [ipv4("127.1.0.1"), ipv4("127.1.0.2"), ipv4("127.1.0.3"), ipv6("::1"), ipv4("127.1.0.4")];

test("inet_diag(7): the first, the last and those between; IPv4 also where a socket of IPv6 carries it", async () => {
  const server = createServer().listen(0, "::");
  const accepted: Socket[] = [];
  server.on("connection", (socket) => accepted.push(socket));
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients = ["127.1.0.1", "127.1.0.2", "127.1.0.3", "::1", "127.1.0.4"].map((host) => connect(port, host));
  try {
    await Promise.all(clients.map((client) => once(client, "connect")));
    using diag = new SocketDiag();
    const at = (locals: readonly Ip[]): readonly string[] =>
      diag
        .flows(locals)
        .filter(({ localPort }) => localPort === port)
        .map(({ local }) => formatIp(local))
        .toSorted((a, b) => a.localeCompare(b));
    for (const some of [LOCALS, LOCALS.slice(0, 1), LOCALS.slice(1, 4), LOCALS.slice(4), []]) {
      expect(at(some)).toEqual(some.map(formatIp).toSorted((a, b) => a.localeCompare(b)));
    }
  } finally {
    for (const socket of [...clients, ...accepted]) socket.destroy();
    server.close();
  }
});

test("inet_diag(7): where connections are waited for, at one address, at all of a family, and no more when it is closed", async () => {
  const servers = [
    createServer().listen(0, "127.1.0.9"),
    createServer().listen(0, "0.0.0.0"),
    createServer().listen(0, "::"),
  ];
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  using diag = new SocketDiag();
  const at = (): readonly string[] =>
    ports.map((port) =>
      diag
        .listening()
        .flatMap((each) => (each.port === port ? [formatIp(each.ip)] : []))
        .join(),
    );
  expect(at()).toEqual(["127.1.0.9", "0.0.0.0", "::"]);
  for (const server of servers) server.close();
  await Promise.all(servers.map((server) => once(server, "close")));
  expect(at()).toEqual(["", "", ""]);
});
