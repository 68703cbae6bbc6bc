/** `novactl status` */
import type { Condition, Status } from "../daemon/admin/api.ts";
import { type Action, type Call, EXIT } from "./command.ts";
import { ageOf, clean, formatOf, memoryOf, paint, printed, type Tone, table, toned } from "./output.ts";

/** 1 when the daemon is degraded or a condition is an error, so that scripts need not read. */
export const status: Action = async (call) => {
  const answer = await call.client.call("GET /v1/status");
  if (!(await printed(call, answer))) call.io.out(text(call, answer));
  const bad = answer.phase === "degraded" || answer.conditions.some((each) => each.severity === "error");
  return bad ? EXIT.failed : EXIT.ok;
};

export const STATE_TONES: Readonly<Record<string, Tone>> = {
  owner: "good",
  announced: "good",
  established: "good",
  full: "good",
  ready: "good",
  up: "good",
  healthy: "good",
  ok: "good",
  claiming: "warn",
  bound: "warn",
  withdrawn: "warn",
  "2-way": "warn",
  init: "warn",
  "ex-start": "warn",
  exchange: "warn",
  loading: "warn",
  attempt: "warn",
  "open-sent": "warn",
  "open-confirm": "warn",
  starting: "warn",
  listening: "warn",
  degraded: "warn",
  warning: "warn",
  "one-way": "warn",
  unhealthy: "bad",
  conflict: "bad",
  "no-link": "bad",
  down: "bad",
  "admin-down": "dim",
  idle: "bad",
  connect: "bad",
  active: "bad",
  failed: "bad",
  silent: "bad",
  backoff: "bad",
  error: "bad",
  ineligible: "warn",
};
export function state(word: string): ReturnType<typeof toned> {
  return toned(word, STATE_TONES[word]);
}

function text(call: Call, answer: Status): string {
  const { io } = call;
  const wide = formatOf(call) === "wide";
  const owned = answer.vips.filter(({ mode }) => mode === "L2ARP");
  const routed = answer.vips.filter(({ mode }) => mode !== "L2ARP");
  const sections: string[] = [head(call, answer)];
  const section = (title: string, body: string, count: number): void => {
    if (count > 0) sections.push(`\n${paint(io, title, "dim")}\n${body}`);
  };
  section(
    "VIRTUAL IPS",
    table(
      io,
      [
        "NAME",
        "ADDRESS",
        "INTERFACE",
        "STATE",
        "OWNER",
        "TERM",
        "ELIGIBLE",
        ...(wide ? ["PRIORITY", "FAILOVERS", "WHY"] : []),
      ],
      owned.map((vip) => [
        vip.name,
        vip.addresses.join(","),
        vip.ifname,
        state(vip.state),
        vip.owner,
        vip.term,
        eligible(vip),
        ...(wide ? [vip.priority, vip.failovers, vip.why] : []),
      ]),
    ),
    owned.length,
  );
  section("ANNOUNCED VIRTUAL IPS", routedTable(call, routed), routed.length);
  section(
    "LISTENERS",
    table(
      io,
      ["GATEWAY", "LISTENER", "ADDRESS", "PORT", "PROTOCOL", "WORKERS", "PROBLEM"],
      answer.listeners.map((each) => [
        each.gateway,
        each.name,
        each.address,
        each.port,
        each.protocol,
        toned(`${each.workers}/${each.wanted}`, each.workers === each.wanted ? "good" : "bad"),
        each.problem,
      ]),
    ),
    answer.listeners.length,
  );
  section(
    "BACKENDS",
    table(
      io,
      ["NAME", "HEALTHY", "LB-POLICY", ...(wide ? ["ENDPOINTS"] : [])],
      answer.backends.map((backend) => [
        backend.name,
        healthy(backend),
        backend.lbPolicy,
        ...(wide ? [backend.endpoints.map((each) => `${each.address}:${each.port}=${each.health}`).join(" ")] : []),
      ]),
    ),
    answer.backends.length,
  );
  section("ROUTING", routingTable(call, answer.routing), routingRows(answer.routing).length);
  section("WAN", wanTable(call, answer.wan), answer.wan === undefined ? 0 : 1);
  section(
    "PEERS",
    table(
      io,
      ["NODE", "INTERFACE", "ADDRESS", "STATE"],
      answer.peers.map((peer) => [peer.node, peer.ifname, peer.address, state(peer.state)]),
    ),
    answer.peers.length,
  );
  section(
    "PROCESSES",
    table(
      io,
      ["NAME", "PID", "STATE", "RESTARTS", "MEMORY", ...(wide ? ["UP", "LAST-END"] : [])],
      answer.processes.map((each) => [
        each.name,
        each.pid,
        state(each.state),
        each.restarts,
        memoryOf(each.memory),
        ...(wide ? [each.startedAt === undefined ? undefined : ageOf(io.now() - each.startedAt), each.lastEnd] : []),
      ]),
    ),
    answer.processes.length,
  );
  section("CONDITIONS", conditionTable(call, answer.conditions), answer.conditions.length);
  return sections.join("");
}

function eligible({ eligible: admitted, eligibleWhy }: Status["vips"][number]): ReturnType<typeof toned> {
  return admitted ? toned("yes", "good") : toned(`no: ${eligibleWhy}`, "warn");
}

function routedTable(call: Call, vips: Status["vips"]): string {
  const wide = formatOf(call) === "wide";
  return table(
    call.io,
    ["NAME", "ADDRESS", "MODE", "STATE", "TOLD", "ELIGIBLE", ...(wide ? ["FOR", "WHY"] : [])],
    vips.map((vip) => [
      vip.name,
      vip.addresses.join(","),
      vip.mode,
      state(vip.state),
      told(vip),
      eligible(vip),
      ...(wide ? [vip.since === undefined ? undefined : ageOf(call.io.now() - vip.since), vip.why] : []),
    ]),
  );
}

/** "1/2 tor1": the peers that hear of it, of those that shall.  Of what is withdrawn none hears, session or not. */
export function told({ state, neighbors }: Status["vips"][number]): ReturnType<typeof toned> {
  const hears = (peer: string): boolean => state === "announced" && (peer === "established" || peer === "full");
  const hear = neighbors.filter((each) => hears(each.state));
  const tone = hear.length === neighbors.length ? "good" : hear.length === 0 ? "bad" : "warn";
  return toned([`${hear.length}/${neighbors.length}`, ...hear.map(({ name }) => name)].join(" "), tone);
}

type Row = readonly (string | ReturnType<typeof toned>)[];
function routingTable({ io }: Call, routing: Status["routing"]): string {
  return table(io, ["PROTOCOL", "ROUTER-ID", "UP", "ABOUT"], routingRows(routing));
}
function share(up: number, all: number): ReturnType<typeof toned> {
  return toned(`${up}/${all}`, up === all ? "good" : up === 0 ? "bad" : "warn");
}
function wanTable({ io }: Call, wan: Status["wan"]): string {
  const heads = ["SITE", "LINKS-UP", "PATHS-ALIVE", "RELAYED", "CHOICES-GOOD"];
  if (wan === undefined) return "";
  const { site, links, up, paths, alive, relayed, choices, good } = wan;
  const detour = relayed === 0 ? "0" : toned(String(relayed), "warn");
  return table(io, heads, [[site, share(up, links), share(alive, paths), detour, share(good, choices)]]);
}
function routingRows({ bgp, ospf, bfd }: Status["routing"]): readonly Row[] {
  const last = (about: string, is: boolean, how: string): string | ReturnType<typeof toned> =>
    is ? toned(`${about}; the last choice (${how})`, "warn") : about;
  return [
    ...(bgp === undefined
      ? []
      : [
          [
            "BGP",
            bgp.routerId,
            share(bgp.established, bgp.peers),
            last(`peers, AS ${bgp.asn}`, bgp.gracefulShutdown, "graceful shutdown"),
          ],
        ]),
    ...(ospf === undefined
      ? []
      : [
          [
            "OSPF",
            ospf.routerId,
            share(ospf.full, ospf.neighbors),
            last(
              `neighbors on ${ospf.interfaces} interface${ospf.interfaces === 1 ? "" : "s"}`,
              ospf.maxMetric,
              "max-metric",
            ),
          ],
        ]),
    ...(bfd.sessions === 0 ? [] : [["BFD", "", share(bfd.up, bfd.sessions), "sessions"]]),
  ];
}

export function conditionTable({ io }: Call, conditions: readonly Condition[]): string {
  return table(
    io,
    ["SEVERITY", "CODE", "SUBJECT", "SINCE", "MESSAGE"],
    conditions.map((each) => [
      state(each.severity),
      each.code,
      each.subject,
      ageOf(io.now() - each.since),
      each.message,
    ]),
  );
}

export function healthy({ endpoints }: Status["backends"][number]): ReturnType<typeof toned> {
  const good = endpoints.filter((each) => each.health === "healthy" || each.health === "unchecked").length;
  const tone = good === endpoints.length ? "good" : good === 0 ? "bad" : "warn";
  return toned(`${good}/${endpoints.length}`, tone);
}

/** The command that finds the same problems: only the daemon's own also reads the settings wherever they are, and the key. */
function checkOf({ problems, resourceDir, settingsFile }: Status["configuration"]): string {
  if (problems.every(({ file }) => file.startsWith(`${resourceDir}/`))) return `novactl check -c ${resourceDir}`;
  const directory = settingsFile.replace(/\/novaedge\.yaml$/, "");
  return `novaedge check --config ${directory}`;
}

function head({ io }: Call, answer: Status): string {
  const { configuration } = answer;
  const engine = answer.engine === "" ? "" : `, ${answer.engine}`;
  const lines = [
    `${clean(answer.node)}: ${paint(io, answer.phase, STATE_TONES[answer.phase])}, NovaEdge ${clean(answer.version)}, up ${ageOf(answer.uptime)}${engine}`,
    `configuration ${configuration.hash}, generation ${configuration.generation}, in force for ${ageOf(io.now() - configuration.loadedAt)}, from ${clean(configuration.resourceDir)}`,
  ];
  if (configuration.problems.length > 0) {
    const count = configuration.problems.length;
    const told = `the files have ${count} problem${count === 1 ? "" : "s"} and are not in force`;
    lines.push(paint(io, clean(`${told}: ${checkOf(configuration)}`), "bad"));
  }
  return `${lines.join("\n")}\n`;
}
