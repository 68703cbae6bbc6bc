/** A table dump (RFC 6396, TABLE_DUMP_V2) as GoBGP's client reads it. */

export function mrtOf(prefixes: readonly string[], nextHop: string, asn: number): Buffer {
  const time = Math.floor(Date.now() / 1000);
  const hop = nextHop.split(".").map(Number);
  const record = (subtype: number, body: Buffer): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(time, 0);
    head.writeUInt16BE(13, 4); // TABLE_DUMP_V2
    head.writeUInt16BE(subtype, 6);
    head.writeUInt32BE(body.length, 8);
    return Buffer.concat([head, body]);
  };
  const path = Buffer.from([2, 1, 0, 0, 0, 0]);
  path.writeUInt32BE(asn, 2);
  const attributes = Buffer.concat([
    Buffer.from([0x40, 1, 1, 0, 0x40, 2, path.length]),
    path,
    Buffer.from([0x40, 3, 4, ...hop]),
  ]);
  const index = Buffer.from([1, 1, 1, 1, 0, 0, 0, 1, 2, 1, 1, 1, 1, ...hop, 0, 0, 0, 0]); // one peer, with a wide AS
  index.writeUInt32BE(asn, index.length - 4);
  const tail = Buffer.alloc(10);
  tail.writeUInt16BE(1, 0);
  tail.writeUInt32BE(time, 4);
  tail.writeUInt16BE(attributes.length, 8);
  const padding = Array.from({ length: 20_000 }, () => prefixes[0] ?? "1.0.0.0/24");
  const routes = [...prefixes, ...padding].map((prefix, n) => {
    const octets = prefix.split(/[./]/).map(Number);
    const key = Buffer.from([0, 0, 0, 0, 24, ...octets.slice(0, 3)]);
    key.writeUInt32BE(n, 0);
    return record(2, Buffer.concat([key, tail, attributes]));
  });
  return Buffer.concat([record(1, index), ...routes]);
}
