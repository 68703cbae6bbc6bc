/** `novactl wan`: links, paths, policies, flows, events, keys; what happens to a packet and why. */
import type { AdminEvent } from "../daemon/admin/api.ts";
import type { WanPathStatus, WanStatus } from "../daemon/admin/wan-api.ts";
import { nearest } from "../resources/nearest.ts";
import { dscpName } from "../resources/wan-values.ts";
import { type Action, type Call, CommandError, EXIT, isSet } from "./command.ts";
import { WAN_WORDS } from "./commands.ts";
import { printEvent } from "./events.ts";
import { ageOf, clean, formatOf, printed, type Tone, table, toned } from "./output.ts";
import { chosen, limitOf } from "./routing.ts";
import { explainPacket } from "./wan-explain.ts";
import { figuresOf, lossOf, rateOf, sizeOf } from "./wan-figures.ts";
import { requestTable } from "./wan-requests.ts";
import { shieldTable } from "./wan-shield.ts";

/** What each takes besides its own word; none is not in here. */
const TAKES: Readonly<Partial<Record<(typeof WAN_WORDS)[number], number>>> = {
  links: 1,
  paths: 1,
  policies: 1,
  explain: 5,
  measure: 1,
  rediscover: 1,
};

export const wan: Action = async (call) => {
  const word = chosen(call.arguments[0], WAN_WORDS);
  const more = call.arguments[1 + (TAKES[word] ?? 0)];
  if (more !== undefined)
    throw new CommandError(EXIT.usage, "USAGE", `wan ${word}: unexpected argument ${JSON.stringify(more)}`);
  switch (word) {
    case "links":
      return links(call);
    case "paths":
      return paths(call);
    case "policies":
      return policies(call);
    case "flows":
      return flows(call);
    case "events":
      return events(call);
    case "explain":
      return explainPacket(call);
    case "what-if":
      return (await import("./wan-what-if.ts")).whatIf(call);
    case "keys":
      return keys(call);
    case "measure":
      return measure(call);
    case "rediscover":
      return rediscover(call);
  }
};

/** Says so where this host has no links. */
async function statusOf(call: Call): Promise<WanStatus> {
  const status = await call.client.call("GET /v1/wan");
  if (status.site === undefined && ["table", "wide"].includes(formatOf(call)))
    call.io.err("no WAN links here: no ProxyWANLink is of this host's site (sdwan.site in the settings)\n");
  return status;
}

/** All, or those with the name that was asked for. */
function named<T>(call: Call, kind: string, all: readonly T[], namesOf: (each: T) => readonly string[]): readonly T[] {
  const only = call.arguments[1];
  const found = only === undefined ? all : all.filter((each) => namesOf(each).includes(only));
  if (only === undefined || found.length > 0) return found;
  const near = nearest(only, all.flatMap(namesOf));
  const hint = near === undefined ? undefined : `did you mean ${near}?`;
  throw new CommandError(EXIT.failed, "NOT_FOUND", `this site has no ${kind} ${only}`, hint);
}

const LINK_TONES: Readonly<Record<string, Tone>> = { up: "good", degraded: "warn", down: "bad" };

async function links(call: Call): Promise<0> {
  const status = await statusOf(call);
  const shown = named(call, "link", status.links, ({ name }) => [name]);
  if (await printed(call, shown)) return EXIT.ok;
  if (status.site === undefined) return EXIT.ok;
  const wide = formatOf(call) === "wide";
  const { io } = call;
  io.out(
    table(
      io,
      [
        "LINK",
        "INTERFACE",
        "ROLE",
        "STATE",
        "FOR",
        "INTERNET",
        "TUNNELS",
        "ADDRESS",
        "GATEWAY",
        "NAT",
        "MTU",
        "MEASURED",
        "USED",
        ...(wide ? ["PROVIDER", "FILTERING", "OUTSIDE", "WHY"] : ["WHY"]),
      ],
      shown.map(({ name, ifname, role, provider, report, quota, internet, tunnels }) => [
        name,
        ifname,
        role,
        report === undefined ? undefined : toned(report.state, LINK_TONES[report.state]),
        report === undefined ? undefined : ageOf(io.now() - report.since),
        toned(internet, internet === "alive" ? "good" : internet === "dead" ? "bad" : "dim"),
        toned(`${tunnels.up}/${tunnels.all}`, tunnels.up < tunnels.all ? "warn" : undefined),
        report?.addresses.join(","),
        [report?.gateway4, report?.gateway6].filter((each) => each !== undefined).join(","),
        report?.nat?.mapping,
        report?.mtu,
        report?.bandwidth === undefined ? undefined : rateOf(report.bandwidth.up),
        report === undefined
          ? undefined
          : quota === undefined
            ? sizeOf(report.used)
            : toned(`${sizeOf(report.used)} of ${sizeOf(quota.size)}`, report.quotaSpent ? "bad" : undefined),
        ...(wide ? [provider, report?.nat?.filtering, report?.nat?.address] : []),
        [report?.why ?? "", neverShaken(tunnels.unshaken)].filter((each) => each !== "").join("; "),
      ]),
    ),
  );
  return EXIT.ok;
}

function neverShaken(ends: readonly string[]): string {
  return ends.length === 0 ? "" : `never a handshake with ${ends.join(", ")}: compare novactl wan keys of both sites`;
}

async function paths(call: Call): Promise<0> {
  const status = await statusOf(call);
  const shown = named(call, "link, site or path", status.paths, ({ site, link, id }) => [link, site ?? "internet", id]);
  if (await printed(call, shown)) return EXIT.ok;
  if (status.site === undefined) return EXIT.ok;
  const { io } = call;
  const wide = formatOf(call) === "wide";
  io.out(
    table(
      io,
      [
        "PATH",
        "LIFE",
        "FOR",
        "RTT",
        "JITTER",
        "LOSS",
        "MOS",
        "VIA",
        "DEVICE",
        "CARRIES",
        ...(wide ? ["TUNNEL", "ENDPOINT", "FOUND", "COST", "BANDWIDTH", "PROBES", "COST/HOUR", "REFUSED"] : []),
        "WHY",
      ],
      shown.map((path) => {
        const { report, tunnel, usable } = path;
        const life = !usable ? "unusable" : (report?.life.kind ?? "unknown");
        const { rtt, jitter, mos } = figuresOf(report?.figures);
        const tone = life === "alive" ? (path.healthy ? "good" : "warn") : life === "unknown" ? "dim" : "bad";
        return [
          path.id,
          toned(life, tone),
          report === undefined ? undefined : ageOf(io.now() - report.since),
          rtt,
          jitter,
          lossOf(report?.figures?.loss),
          mos,
          path.via === "direct" ? path.via : toned(path.via, "warn"),
          path.ifname,
          wide ? path.carries.join(",") : classesOf(path.carries, status.policies),
          ...(wide
            ? [
                tunnel?.state,
                tunnel?.endpoint,
                tunnel?.found,
                path.cost,
                rateOf(path.bandwidth),
                report === undefined ? undefined : `${report.answered}/${report.sent}`,
                report === undefined ? undefined : sizeOf(report.octetsPerHour),
                Object.entries(report?.refused ?? {})
                  .map(([name, count]) => `${name}=${count}`)
                  .join(" "),
              ]
            : []),
          whyOf(path),
        ];
      }),
    ),
  );
  return EXIT.ok;
}

/** A tunnel that never worked says more than the probes that it lost. */
function whyOf({ usable, why, report, tunnel }: WanPathStatus): string | undefined {
  if (tunnel?.unshaken === true) return `${tunnel.why}; compare novactl wan keys of both sites`;
  if (!usable) return why;
  return report?.life.kind === "alive" ? "" : (report?.life.why ?? tunnel?.why);
}

/** What an operator wrote: answers and single links follow from it. */
function classesOf(choices: readonly string[], written: WanStatus["policies"]): string {
  const names = new Set(choices.map((id) => id.slice(0, id.search(/[@→]/))));
  return [...names].filter((name) => written.some((policy) => policy.name === name)).join(",");
}

async function policies(call: Call): Promise<0> {
  const status = await statusOf(call);
  const shown = named(call, "policy", status.policies, ({ name }) => [name]);
  if (await printed(call, shown)) return EXIT.ok;
  if (status.site === undefined) return EXIT.ok;
  const { io } = call;
  io.out(
    table(
      io,
      ["POLICY", "PRIORITY", "STRATEGY", "DSCP", "MARK", "TO", "PATH", "STATE", "FOR", "MOVES", "WHY"],
      shown.flatMap(({ name, priority, strategy, dscp, mark, balance, choices }) =>
        choices.map(({ site, report }, index) => [
          index === 0 ? name : "",
          index === 0 ? priority : undefined,
          index === 0 ? strategy : undefined,
          index === 0 && dscp !== undefined ? dscpName(dscp) : undefined,
          index === 0 ? mark : undefined,
          site ?? "internet",
          balance === undefined ? report?.chosen : `spread over ${Object.keys(balance).join(", ")}`,
          report === undefined ? undefined : toned(report.state, STATE_TONES[report.state]),
          report === undefined ? undefined : ageOf(io.now() - report.since),
          report?.moves,
          report?.why,
        ]),
      ),
    ),
  );
  for (const more of [requestTable(io, shown), shieldTable(io, shown)]) if (more !== "") io.out(`\n${more}`);
  return EXIT.ok;
}
const STATE_TONES: Readonly<Record<string, Tone>> = {
  chosen: "good",
  "least-bad": "warn",
  none: "bad",
  undecided: "dim",
};

async function flows(call: Call): Promise<0> {
  const answer = await call.client.call("GET /v1/wan/flows", undefined, { limit: limitOf(call, 1000) });
  if (await printed(call, answer)) return EXIT.ok;
  call.io.out(
    table(
      call.io,
      ["PROTOCOL", "SOURCE", "DESTINATION", "CLASS", "PATH", "LINK", "DEVICE", "MARK", "PACKETS", "OCTETS"],
      answer.flows.map((each) => [
        each.protocol,
        each.source,
        each.destination,
        each.class,
        each.path,
        each.link,
        each.ifname,
        each.mark,
        each.packets,
        each.octets === undefined ? undefined : sizeOf(each.octets),
      ]),
    ),
  );
  if (answer.more > 0) call.io.err(`${answer.more} more; --limit shows more of them\n`);
  return EXIT.ok;
}

/** Decisions and changes of links, tunnels and paths.  What answers do, who follow the other side, only with -o wide. */
async function events(call: Call): Promise<0> {
  const limit = Number(limitOf(call, 100));
  const terse = formatOf(call) === "table";
  const isShown = ({ name, fields, level }: AdminEvent): boolean =>
    isOurs(name, fields) && !(terse && level === "debug");
  const before: AdminEvent[] = [];
  let last = 0;
  for await (const event of call.client.events({}, call.io.signal)) {
    last = event.seq;
    if (isShown(event)) before.push(event);
  }
  for (const event of before.slice(-limit)) await printEvent(call, event);
  if (!isSet(call, "watch")) return EXIT.ok;
  for await (const event of call.client.events({ after: String(last), follow: "1" }, call.io.signal)) {
    if (isShown(event)) await printEvent(call, event);
  }
  return EXIT.ok;
}
function isOurs(name: string, { code }: Readonly<Record<string, unknown>>): boolean {
  if (/^(wan|link|tunnel|nat|sdwan)\./.test(name)) return true;
  return name.startsWith("condition.") && typeof code === "string" && CODES.test(code);
}
const CODES = /^(WAN_|LINK_|TUNNEL_|PATH_|NO_PATH|QUOTA_)/;

async function keys(call: Call): Promise<0> {
  const answer = await call.client.call("GET /v1/wan/keys");
  if (await printed(call, answer)) return EXIT.ok;
  const { io } = call;
  io.out(clean(`site ${answer.site ?? "(none)"}, public key ${answer.publicKey}`));
  io.out(clean(`, private key in ${answer.file}`));
  io.out("\n");
  if (answer.sites.length === 0) return EXIT.ok;
  const rows = answer.sites.map(({ site, publicKey, preshared }) => [site, publicKey, preshared ? "yes" : "no"]);
  io.out(`\n${table(io, ["SITE", "PUBLIC-KEY", "PRESHARED"], rows)}`);
  return EXIT.ok;
}

async function measure(call: Call): Promise<0> {
  const link = call.arguments[1];
  if (link === undefined) throw new CommandError(EXIT.usage, "USAGE", "which link?", "novactl wan measure LINK");
  const answer = await call.client.call("POST /v1/wan/measure", { link });
  if (await printed(call, answer)) return EXIT.ok;
  call.io.out(clean(`measuring ${link}; novactl wan links shows the result`));
  call.io.out("\n");
  return EXIT.ok;
}

async function rediscover(call: Call): Promise<0> {
  const link = call.arguments[1];
  const answer = await call.client.call("POST /v1/wan/rediscover", link === undefined ? {} : { link });
  if (await printed(call, answer)) return EXIT.ok;
  call.io.out(clean(`looking anew how ${link ?? "every link"} is seen from outside`));
  call.io.out("\n");
  return EXIT.ok;
}
