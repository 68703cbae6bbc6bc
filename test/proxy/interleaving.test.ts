/**
 * Any order of events: clients and servers speak in pieces, pause, die and come back in an order that fast-check picks.
 * Whatever happens, a client gets whole and right answers in its order, or an error or a cut, and nothing is left behind.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { FakeLoop, type FakeStream } from "./fake-loop.ts";
import { backend, NO_LEAKS, proxy, Rig } from "./rig.ts";

type Framing = "sized" | "chunked" | "close" | "none";
interface Request {
  readonly method: "GET" | "PUT" | "HEAD";
  readonly upload: number;
  readonly chunkedUpload: boolean;
  readonly answer: Framing;
  readonly octets: number;
}

const request: fc.Arbitrary<Request> = fc.record({
  method: fc.constantFrom("GET" as const, "PUT" as const, "HEAD" as const),
  upload: fc.nat(3000),
  chunkedUpload: fc.boolean(),
  answer: fc.constantFrom("sized" as const, "chunked" as const, "close" as const, "none" as const),
  octets: fc.nat(5000),
});
/** What happens next: who, and how much of it. */
const happening = fc.record({
  what: fc.constantFrom(
    "client",
    "client",
    "server",
    "server",
    "connect",
    "take",
    "tick",
    "server-dies",
    "client-dies",
  ),
  who: fc.nat(3),
  amount: fc.integer({ min: 1, max: 2000 }),
});

function encode({ method, upload, chunkedUpload, answer, octets }: Request, id: number): string {
  const body = method === "PUT" ? bodyOf(id, upload) : "";
  const head = `${method} /${answer}/${octets}/${id} HTTP/1.1\r\nHost: h\r\n`;
  if (method !== "PUT") return `${head}\r\n`;
  if (!chunkedUpload) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const half = Math.ceil(body.length / 2);
  const chunks = [body.slice(0, half), body.slice(half), ""].map((part, index, all) =>
    part === "" && index < all.length - 1 ? "" : `${part.length.toString(16)}\r\n${part}${part === "" ? "" : "\r\n"}`,
  );
  return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}\r\n`;
}
function bodyOf(id: number, length: number): string {
  return String.fromCharCode(97 + (id % 26)).repeat(length);
}

/** A server that answers what it has received completely; its words wait in `pending` until the test lets them go. */
class Server {
  readonly stream: FakeStream;
  pending = "";
  closes = false;
  #read = 0;

  constructor(stream: FakeStream) {
    this.stream = stream;
  }
  look(): void {
    if (this.closes) return;
    const text = this.stream.text.slice(this.#read);
    const match = /^(\w+) \/(\w+)\/(\d+)\/(\d+) HTTP\/1\.1\r\n([^]*?)\r\n\r\n/.exec(text);
    if (match === null) return;
    const [head, method, framing, octets, id, fields] = match as unknown as [
      string,
      string,
      Framing,
      string,
      string,
      string,
    ];
    const rest = text.slice(head.length);
    const length = /^Content-Length: (\d+)$/m.exec(fields)?.[1];
    let body = "";
    let end = head.length;
    if (/^Transfer-Encoding: chunked$/m.test(fields)) {
      const whole = /^(?:[1-9a-f][0-9a-f]*\r\n[a-z]*\r\n)*0\r\n\r\n/.exec(rest);
      if (whole === null) return;
      end += whole[0].length;
      body = whole[0].replaceAll(/[0-9a-f]+\r\n([a-z]*)\r\n/g, "$1");
    } else if (length !== undefined) {
      if (rest.length < Number(length)) return;
      body = rest.slice(0, Number(length));
      end += body.length;
    }
    if (!/^([a-z])?\1*$/.test(body)) throw new Error(`a body of several requests: ${body.slice(0, 50)}`);
    this.#read += end;
    this.#answer(method, framing, Number(octets), Number(id), body);
    this.look();
  }
  #answer(method: string, framing: Framing, octets: number, id: number, upload: string): void {
    const body = bodyOf(id, octets);
    const head = `HTTP/1.1 200 OK\r\nDate: d\r\nX-Id: ${id}\r\nX-Upload: ${upload.length}${upload[0] ?? ""}\r\n`;
    if (framing === "none") this.pending += head.replace("200 OK", "204 No Content") + "\r\n";
    else if (framing === "sized")
      this.pending += `${head}Content-Length: ${octets}\r\n\r\n${method === "HEAD" ? "" : body}`;
    else if (framing === "chunked") {
      const chunk = octets === 0 ? "" : `${octets.toString(16)}\r\n${body}\r\n`;
      this.pending += `${head}Transfer-Encoding: chunked\r\n\r\n${method === "HEAD" ? "" : `${chunk}0\r\n\r\n`}`;
    } else {
      this.pending += `${head}\r\n${method === "HEAD" ? "" : body}`;
      this.closes = true;
    }
  }
}

/** The answers that `text` holds: their ids; "error" for one of the proxy's own; the last may be cut. */
function answers(text: string, requests: readonly Request[]): readonly (number | "error" | "cut")[] {
  const out: (number | "error" | "cut")[] = [];
  for (let at = 0; at < text.length; ) {
    const sent = requests[out.length];
    const match = /^HTTP\/1\.1 (\d+) [^\r]*\r\n([^]*?)\r\n\r\n/.exec(text.slice(at));
    if (match === null || sent === undefined) return [...out, "cut"];
    const [head, status, fields] = match as unknown as [string, string, string];
    at += head.length;
    const id = /^X-Id: (\d+)$/m.exec(fields)?.[1];
    if (id === undefined) {
      expect(Number(status)).toBeGreaterThanOrEqual(400);
      at += sent.method === "HEAD" ? 0 : Number(/^Content-Length: (\d+)$/m.exec(fields)?.[1]);
      out.push("error");
      continue;
    }
    const upload = sent.method === "PUT" ? `${sent.upload}${bodyOf(Number(id), sent.upload)[0] ?? ""}` : "0";
    expect(fields).toContain(`X-Upload: ${upload}`);
    const body = sent.method === "HEAD" || sent.answer === "none" ? "" : bodyOf(Number(id), sent.octets);
    const chunk = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
    const wire = /^Transfer-Encoding: chunked/m.test(fields) && sent.method !== "HEAD" ? `${chunk}0\r\n\r\n` : body;
    const have = text.slice(at, at + wire.length);
    expect(wire.startsWith(have)).toBe(true);
    if (have.length < wire.length) return [...out, "cut"];
    at += wire.length;
    out.push(Number(id));
  }
  return out;
}

describe("any interleaving", () => {
  it("gives every client whole answers in its order, or an error or a cut, and leaves nothing behind", () => {
    const scripts = fc.array(fc.array(request, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(scripts, fc.array(happening, { maxLength: 120 }), fc.nat(3), (clients, happenings, limit) => {
        const pool = { ...backend().pool, maxConnsPerHost: limit };
        const rig = new Rig(proxy([{}], [{ pool }]), new FakeLoop(1024, 48));
        let next = 0;
        const parties = clients.map((requests) => {
          const ids = requests.map(() => next++);
          const text = requests.map((each, index) => encode(each, ids[index] as number)).join("");
          return { stream: rig.client(), text, requests, ids, died: false };
        });
        const servers: Server[] = [];
        let deaths = 0;
        const at = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];
        const happen = (what: string, who: number, amount: number): void => {
          const party = at(parties, who);
          const server = at(
            servers.filter(({ stream }) => stream.open),
            who,
          );
          if (what === "client" && party !== undefined && party.stream.open && party.text !== "") {
            party.stream.feed(party.text.slice(0, amount), 700);
            party.text = party.text.slice(amount);
          } else if (what === "connect" && rig.loop.dialled[0] !== undefined) {
            servers.push(new Server(rig.loop.dialled[0]));
            rig.loop.dialled[0].establish();
          } else if (what === "server" && server !== undefined) {
            server.look();
            if (server.pending !== "") server.stream.feed(server.pending.slice(0, amount), 700);
            server.pending = server.pending.slice(amount);
            if (server.pending === "" && server.closes) server.stream.fin();
          } else if (what === "take" && party !== undefined) {
            if (party.stream.room === Number.POSITIVE_INFINITY) party.stream.room = amount;
            else party.stream.take(amount);
          } else if (what === "tick") rig.pass(seconds(0.1));
          else if (what === "server-dies" && server !== undefined && amount < 200) {
            server.stream.reset();
            deaths++;
          } else if (what === "client-dies" && party !== undefined && amount < 100) {
            party.stream.reset();
            party.died = true;
          }
          rig.loop.turn();
        };
        for (const { what, who, amount } of happenings) happen(what, who, amount);
        // Then everybody does what is still to be done.
        for (const { stream } of parties) stream.take(10_000_000);
        for (let round = 0; round < 60; round++) {
          for (let who = 0; who < 4; who++) {
            happen("client", who, 1_000_000);
            happen("connect", who, 1);
          }
          for (let who = 0; who < servers.length; who++) happen("server", who, 1_000_000);
        }
        for (const { stream, requests, ids, died } of parties) {
          const got = answers(stream.text, requests);
          got.forEach((each, index) => {
            if (typeof each === "number") expect(each).toBe(ids[index]);
          });
          if (deaths === 0 && !died) {
            // Only an answer that ends with the connection may leave the requests behind it unanswered.
            const last = requests.findIndex(({ answer, method }) => answer === "close" && method !== "HEAD");
            const expected = last < 0 ? ids : ids.slice(0, last + 1);
            if (!got.includes("error")) expect(got.slice(0, expected.length)).toEqual(expected);
          }
        }
        for (const { stream } of parties) if (stream.open) stream.reset();
        rig.pass(seconds(100));
        expect(rig.leaks()).toEqual(NO_LEAKS);
        expect(rig.plane.pools()["b"]?.slice(0, 2)).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});
