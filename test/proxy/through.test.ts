/**
 * Streams of requests, good and wrong, through the whole data plane in any pieces: what the servers get is, read by
 * llhttp, exactly what the client said up to the first message that is refused.  No request appears, none is changed, none
 * is answered with another's answer.  RFC 9112 §11.2.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seconds } from "../../base/unit.ts";
import { parseFromDataplane } from "../../daemon/supervisor/dataplane-words.ts";
import type { FromDataplane } from "../../proxy/control.ts";
import type { FakeStream } from "./fake-loop.ts";
import { llhttpRequests, llhttpResponses } from "./http1/llhttp.ts";
import { latin1, type Message, readRequests, readResponses, requestHead } from "./http1/messages.ts";
import { mutated, requestText, responseText } from "./http1/streams.ts";
import { NO_LEAKS, Rig } from "./rig.ts";

/** How a server answers: `n` is in the body, where there is one. */
const ANSWERS: readonly ((n: number) => string)[] = [
  (n) => sized(n),
  (n) => sized(n),
  (n) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<${n}>\r\n0\r\nSum: 1\r\n\r\n`,
  (n) => `HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 3\r\n\r\n<${n}>`,
  (n) => `HTTP/1.1 100 Continue\r\n\r\n${sized(n)}`,
];

interface Server {
  readonly stream: FakeStream;
  answered: number;
}

describe("a stream of requests through the data plane", () => {
  test("reaches the servers as it was said", () => {
    let reached = 0;
    fc.assert(
      fc.property(
        mutated(fc.array(requestText, { minLength: 1, maxLength: 4 }).map((all) => all.join(""))),
        fc.constantFrom(1, 2, 7, 50, 100_000),
        fc.array(fc.nat(ANSWERS.length - 1), { minLength: 1, maxLength: 5 }),
        (text, piece, answers) => {
          const said = readRequests(Buffer.from(text, "latin1"));
          fc.pre(said.messages.every(({ what }) => KNOWN_METHOD.test(what)));
          // The data plane answers TRACE itself.
          const expected = said.messages.filter(({ what }) => !what.startsWith("TRACE "));
          const { got, client, leaks } = play(text, piece, answers);
          expect(got.map(essence)).toEqual(expected.slice(0, got.length).map(essence));
          // All of them, unless a refusal of what follows came before their turn, or HTTP/1.0 had to be told the end by closing.
          const plain = expected.every(({ minor }) => minor === 1);
          if (plain && (said.end === "complete" || said.end === "closed" || said.end === "incomplete")) {
            expect(got.length).toBe(expected.length);
          }
          const order = [...client.matchAll(/<(\d)>/g)].map(([, n]) => Number(n));
          expect(order).toEqual(order.toSorted((a, b) => a - b));
          expect(leaks).toEqual(NO_LEAKS);
          reached += got.length;
        },
      ),
      { numRuns: RUNS },
    );
    expect(reached).toBeGreaterThan(RUNS / 2);
  });
});

describe("a response through the data plane", () => {
  test("reaches the client as it was said or not at all, and what follows it reaches nobody", () => {
    const seen = { passed: 0, refused: 0, cut: 0 };
    fc.assert(
      fc.property(mutated(responseText), fc.constantFrom(1, 3, 40, 100_000), fc.boolean(), (text, piece, fin) => {
        const said = readResponses(Buffer.from(text, "latin1"));
        const rig = new Rig();
        const client = rig.client();
        rig.say(client, GET);
        const server = rig.server();
        server.feed(text, piece);
        if (fin) server.fin();
        for (let turn = 0; turn < 5; turn++) rig.loop.turn();
        if (!fin) rig.pass(seconds(70)); // whoever still waits for the server gives up
        const first = client.sent;
        const final = said.messages.find(({ what }) => !what.startsWith("1"));
        const answers = llhttpResponses(first);
        const got = answers.messages.filter(({ what }) => !what.startsWith("1"));
        if (client.aborted || answers.open) {
          // A body that ends with the connection is complete when the server closed in good order.
          if (final !== undefined && !client.aborted) expect(bodyOf(first)).toBe(final.body);
          else seen.cut++;
        } else {
          expect([answers.error, got.length]).toEqual([undefined, 1]);
          if (final !== undefined && got[0]?.what === final.what && got[0].body === final.body) seen.passed++;
          else {
            expect(final === undefined || !fin).toBe(true);
            expect(got[0]?.what).toMatch(/^50[234]$/);
            seen.refused++;
          }
        }
        if (client.open && !client.finSent) second(rig, client, server, first.length);
        client.fin();
        rig.pass(seconds(120));
        expect(rig.leaks()).toEqual(NO_LEAKS);
        believable(rig);
      }),
      { numRuns: RUNS },
    );
    expect(Math.min(seen.passed, seen.refused, seen.cut)).toBeGreaterThan(RUNS / 50);
  });
});

/** The next request on the same connection gets its own answer, from wherever it is sent. */
function second(rig: Rig, client: FakeStream, server: FakeStream, before: number): void {
  const sent = server.sent.length;
  rig.say(client, GET);
  const stream = rig.loop.dialled.length > 0 ? rig.server() : server;
  expect(stream === server ? stream.sent.length > sent : true).toBe(true);
  stream.feed(sized(2));
  rig.loop.turn();
  rig.loop.turn();
  expect(client.text.slice(before)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^<]*<2>$/);
}

/** Control takes the books of a data plane for what they are, whatever has passed. */
function believable(rig: Rig): void {
  const message: FromDataplane = { kind: "stats", stats: rig.traffic.stats.snapshot(rig.plane.pools()) };
  expect(parseFromDataplane(JSON.parse(JSON.stringify(message)))).toEqual(message);
}

function bodyOf(response: Buffer): string {
  const text = response.toString("latin1");
  return text.slice(text.indexOf("\r\n\r\n", text.lastIndexOf("HTTP/1.1 ")) + 4);
}

/** The stream through a fresh data plane, with servers that answer whatever is complete. */
function play(text: string, piece: number, answers: readonly number[]) {
  const rig = new Rig();
  const client = rig.client();
  const servers: Server[] = [];
  const got: Message[] = [];
  client.feed(text, piece);
  for (let turn = 0; turn < TURNS; turn++) {
    rig.loop.turn();
    const stream = rig.loop.dialled[0];
    if (stream !== undefined) {
      stream.establish();
      servers.push({ stream, answered: 0 });
      rig.loop.turn();
    }
    let moved = stream !== undefined;
    for (const server of servers) moved = serve(server, got, answers) || moved;
    if (!moved) break;
  }
  rig.loop.turn();
  client.fin();
  rig.loop.turn();
  rig.pass(seconds(120));
  believable(rig);
  return { got, client: client.text, leaks: rig.leaks() };
}

/** Answers what is complete and unanswered; whether there was any. */
function serve(server: Server, got: Message[], answers: readonly number[]): boolean {
  const { stream } = server;
  const { messages, error } = llhttpRequests(stream.sent);
  // llhttp reads no further than a method that it does not know
  if (error !== "HPE_INVALID_METHOD") expect(error).toBeUndefined();
  const next = messages[server.answered];
  if (next === undefined || !stream.open) return false;
  server.answered++;
  const n = got.length;
  got.push(next);
  const answer = (ANSWERS[answers[n % answers.length] ?? 0] as (n: number) => string)(n);
  const bodyless = next.what.startsWith("HEAD ");
  stream.feed(bodyless ? `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n` : answer, 1 + (n % 5) * 40);
  return true;
}

function sized(n: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<${n}>`;
}

/** Method, path as it is forwarded, body, and the client's own fields. */
function essence({ what, body, fields }: Message): object {
  const [method = "", target = ""] = what.split(" ");
  const own = fields.filter((line) => /^(A|X-Y|Accept|Cookie|x_y|!|Trailer):/.test(line));
  return { method, target: plainTarget(method, target), body, own };
}
/** The target in origin form, normalised: target.test.ts shows that this is right. */
function plainTarget(method: string, target: string): string {
  const head = requestHead(`${method} ${target} HTTP/1.1\r\nHost: h\r\n\r\n`);
  if (typeof head === "string") throw new TypeError(head);
  return latin1(head.pathMemory, head.pathStart, head.pathEnd) + latin1(head.memory, head.queryStart, head.queryEnd);
}

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const KNOWN_METHOD = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|PURGE) /;
const TURNS = 60;
const RUNS = Number(process.env["NOVAEDGE_RUNS"] ?? 1_500);
