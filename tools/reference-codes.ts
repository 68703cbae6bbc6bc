/** docs/errors.md and docs/novactl.md: every code that an operator can meet, and every command. */
import { FAULTS } from "../base/fault.ts";
import { type CliCode, EXIT, type Flag } from "../cli/command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "../cli/commands.ts";
import { usageOf } from "../cli/parse.ts";
import type { ConditionCode, RefusalCode } from "../daemon/admin/api.ts";
import type { GateReason } from "../daemon/desired/eligibility.ts";
import { DIAGNOSTICS } from "../resources/diagnostic.ts";
import { KIND_NAMES } from "../resources/names.ts";

/** The types make a code without words here a compile error. */
const CONDITIONS: Readonly<Record<ConditionCode, string>> = {
  CONFIG_REFUSED: "the files have errors; what ran before runs on. `novactl check` lists them",
  CONFIG_WARNING: "the files have something that is probably not meant",
  RESTART_NEEDED: "a setting was changed that only a restart of the daemon takes up",
  CHILD_DOWN: "a process of the daemon has ended or does not answer; it is restarted with growing pauses",
  DATAPLANE_REFUSED:
    "a data plane refused the configuration, or has not confirmed it for two seconds; the one before runs on",
  LISTENER_FAILED: "a listening socket could not be opened; the message says what holds the port",
  VIP_INELIGIBLE: "this host may not own the virtual IP; the message begins with the reason below",
  VIP_CONFLICT: "a machine that is no node of ours answers for the address",
  VIP_NO_LINK: "the interface is down, or neither a peer nor a witness is heard on it",
  VIP_NO_INTERFACE: "no interface has a network with the address; write `l2.interface`",
  POOL_EXHAUSTED: "the pool has no free address for this virtual IP",
  POOL_MISSING: "no pool assigns addresses of that family",
  POOL_OUTSIDE: "the virtual IP keeps an address that its pool no longer has",
  ADDRESS_ALLOCATED: "an allocated address was written in another virtual IP; this one got another",
  BACKEND_DOWN: "some or all endpoints of a backend fail their health checks",
  ENGINE_FALLBACK: "io_uring cannot be used here; epoll does the work",
  KERNEL_DRIFT: "something of ours in the kernel was changed by others",
  ROUTING_INCOMPLETE: "a router that is wanted cannot be made; the message says what to write",
  ROUTING_DOWN:
    "the routing process has ended or does not answer; it is restarted, and peers keep our routes meanwhile",
  VIP_NOT_ANNOUNCED: "a virtual IP that works here could not be bound or announced",
  LB_NOT_CONSISTENT:
    "routers may move a flow to another host that announces the address, and that host would balance it otherwise",
  BGP_PEER_DOWN: "a BGP session is not established; the message has the last error",
  BGP_MAX_PREFIX: "a peer announces as many prefixes as it may, or was shut down for more",
  OSPF_NO_NEIGHBOR: "an interface has no OSPF neighbour that is full",
  BFD_DOWN: "a BFD session that was up is down, or never came up beside an established BGP session",
  WAN_INCOMPLETE: "a part of a WAN policy means nothing on this host; the message says which",
  WAN_KEY:
    "the private key of this site cannot be used, or a site's public key is none, or our own: without it there are no tunnels",
  LINK_DOWN:
    "a WAN link has no carrier, no address or no gateway; the message says which, and its classes go elsewhere",
  LINK_DEGRADED: "a WAN link works in part: one family of addresses, or its MTU, is missing",
  TUNNEL_DOWN: "a tunnel has no session for 15 seconds although its link is up",
  TUNNEL_NO_HANDSHAKE:
    "a tunnel has never had a session: the message says whether the other end calls, and with which key; compare `novactl wan keys` of both sites",
  TUNNEL_RELAYED: "a tunnel's packets go by way of another site, until a direct way is found",
  PATH_DEAD: "nothing comes back on a path any more; its classes have left it",
  PATH_BAD: "a path is alive and breaks what a policy or a link asks for; the message has the figure and the limit",
  NO_PATH: "no path of a class to a site, or to the internet, is alive",
  QUOTA_SPENT: "the quota of a link is spent: only policies in its `reservedFor` use it until it begins anew",
};

const REASONS: Readonly<Record<GateReason, string>> = {
  OK: "the host may own it",
  DRAINING: "the daemon is stopping",
  NODE_NOT_SELECTED: "`nodeSelector` does not match the node's labels",
  NO_GATEWAY: "no ProxyGateway refers to it, and `healthPolicy.requireGateway` asks for one",
  NOT_LISTENING: "no data plane accepts on one of its ports",
  TOO_FEW_HEALTHY: "fewer endpoints behind it are healthy than `healthPolicy` asks for",
};

export const EXITS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done",
  failed: "degraded (`status`, `doctor`), not found, refused for another reason than the configuration",
  notRunning: "nothing answers on the admin socket",
  usage: "wrong command line",
  permission: "no access to the admin socket or a file",
  configuration: "the configuration or the documents have errors",
};

const COMMANDS_SAY: Readonly<Record<CliCode, string>> = {
  USAGE: "the command line is wrong",
  SELECTOR: "`-l` is not a selector",
  NO_FILES: "a directory after `-f` has no `*.yaml`",
  NOT_RUNNING: "nothing answers on the admin socket: the daemon does not run",
  NO_ANSWER: "the daemon went away, or did not answer within 30 s",
  BAD_ANSWER: "what answers on the socket is not the daemon",
  PERMISSION: "no access to the admin socket",
  RUNNING: "`cleanup` found a daemon behind another socket, and removed nothing",
  OUTPUT: "standard output could not be written",
  INTERNAL: "a bug, of novactl or of the daemon",
};

const REFUSALS: Readonly<Record<RefusalCode, string>> = {
  INVALID: "the documents or the files have errors, which are printed before; nothing has changed",
  NOT_FOUND: "there is no such resource (or, from another version, no such call)",
  BUSY: "the daemon is stopping",
  NOT_ROUTING: "nothing is routed here, or the routing process does not answer",
  NO_WAN: "this site has no WAN links, or the wan process does not answer",
  BAD_REQUEST: "the request has not the form of this version",
  METHOD: "the call exists with another HTTP method",
  TOO_LARGE: "the documents are larger than the daemon takes",
  INTERNAL: "a bug of the daemon; its log has the place",
};

const NOTE = "<!-- Written by `npm run docs`; do not edit. -->\n";

const SHOWN = `| Where | As |
|---|---|
| novactl ends with an error | \`novactl: error: message [CODE]\`, then a hint |
| a file is wrong (\`novactl check\`, \`apply\`, \`novaedge run\`, \`novaedge check\`) | \`file:line:column: error: message [CODE]\`, then a hint |
| something is wrong now | a line under CONDITIONS of \`novactl status\`; the events \`condition.raised\` and \`condition.cleared\` |
| a virtual IP may not be here | ELIGIBLE in \`novactl status\` and \`get vips -o wide\` |
| the system refused something | \`CODE: message (fields)\`, in the log, in events and in conditions |
`;

export function errorsPage(): string {
  const list = (words: Readonly<Record<string, string>>): string =>
    Object.entries(words)
      .map(([code, about]) => `- \`${code}\`: ${about}\n`)
      .join("");
  return [
    "# Codes\n",
    NOTE,
    "A code is API: it is never used again for another meaning.\n",
    SHOWN,
    "## What novactl says\n",
    "`novactl: error: … [CODE]`; its exit status is in [novactl.md](novactl.md).\n",
    list(COMMANDS_SAY),
    "## Refusals by the daemon\n",
    "The `code` of every answer of the admin API that is not 2xx; novactl prints it as its own.\n",
    list(REFUSALS),
    "## Conditions (`novactl status`)\n",
    list(CONDITIONS),
    "## Why a host may not own a virtual IP\n",
    list(REASONS),
    "## Findings in files (`novactl check`, `apply`)\n",
    list(DIAGNOSTICS),
    "## Failures of the environment\n",
    "`novaedge: CODE: … (fields)` when they end the daemon, `why` of an event otherwise, `[CODE]` from novactl.\n",
    list(FAULTS),
  ].join("\n");
}

export function novactlPage(): string {
  return [
    "# novactl\n",
    NOTE,
    "Talks to the daemon of this host over its admin socket; whoever may open the socket may do everything.\n",
    "## Commands\n",
    ...COMMANDS.map((command) => {
      const examples = command.examples.map((each) => `${each}\n`).join("");
      const flags = command.flags.map(flagLine).join("");
      return `### ${command.name}\n\n\`${usageOf(command)}\`: ${command.about}.\n${flags === "" ? "" : `\n${flags}`}\n\`\`\`sh\n${examples}\`\`\`\n`;
    }),
    "## Flags of every command\n",
    GLOBAL_FLAGS.map(flagLine).join(""),
    "## Kinds\n",
    Object.values(KIND_NAMES)
      .map(({ kind, names }) => `- ${kind}: ${names.map((each) => `\`${each}\``).join(", ")}\n`)
      .join(""),
    "## Exit status\n",
    (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => `- ${EXIT[name]}: ${EXITS[name]}\n`).join(""),
  ].join("\n");
}

function flagLine(flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value.sample}`;
  return `- \`${short}--${flag.name}${value}\`: ${flag.about}\n`;
}
