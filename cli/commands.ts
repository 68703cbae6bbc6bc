/** The commands of novactl. */
import type { Argument, Command, Flag } from "./command.ts";

const OUTPUT = ["table", "wide", "json", "yaml"] as const;

export const GLOBAL_FLAGS: readonly Flag[] = [
  {
    name: "socket",
    short: undefined,
    value: { sample: "PATH", choices: undefined, complete: "file", many: false },
    about: "admin socket of the daemon (/run/novaedge/admin.sock; $NOVAEDGE_SOCKET)",
  },
  { name: "help", short: "h", value: undefined, about: "what the command does" },
];

const output: Flag = {
  name: "output",
  short: "o",
  value: { sample: "FORMAT", choices: OUTPUT, complete: "none", many: false },
  about: "table, wide, json or yaml",
};
const namespace: Flag = {
  name: "namespace",
  short: "n",
  value: { sample: "NAMESPACE", choices: undefined, complete: "none", many: false },
  about: "namespace of the resource (default: default)",
};
const files: Flag = {
  name: "filename",
  short: "f",
  value: { sample: "FILE|DIR|-", choices: undefined, complete: "file", many: true },
  about: "file, directory of *.yaml, or - for standard input; may be repeated",
};
const dryRun: Flag = {
  name: "dry-run",
  short: undefined,
  value: undefined,
  about: "say what would happen, change nothing",
};
const kind = (required: boolean): Argument => ({ name: "KIND", required, complete: "kind" });
const name = (required: boolean): Argument => ({ name: "NAME", required, complete: "name" });

/** What `novactl wan` takes. */
export const WAN_WORDS = [
  "links",
  "paths",
  "policies",
  "flows",
  "events",
  "explain",
  "what-if",
  "keys",
  "measure",
  "rediscover",
] as const;

export const COMMANDS: readonly Command[] = [
  {
    name: "status",
    about: "what the daemon does now: virtual IPs, listeners, backends, conditions",
    arguments: [],
    flags: [output],
    examples: ["novactl status", "novactl status -o json"],
    load: async () => (await import("./status.ts")).status,
  },
  {
    name: "get",
    about: "list resources with their state, or one of them",
    arguments: [kind(true), name(false)],
    flags: [
      {
        ...output,
        value: { sample: "FORMAT", choices: [...OUTPUT, "name"], complete: "none", many: false },
        about: "table, wide, json (with status), yaml (as apply takes it) or name",
      },
      namespace,
      { name: "all-namespaces", short: "A", value: undefined, about: "resources of all namespaces" },
      {
        name: "selector",
        short: "l",
        value: { sample: "KEY=VALUE,…", choices: undefined, complete: "none", many: false },
        about: "only resources with these labels",
      },
    ],
    examples: ["novactl get vips", "novactl get backend api -o yaml", "novactl get all -A"],
    load: async () => (await import("./get.ts")).get,
  },
  {
    name: "describe",
    about: "everything about one resource, with reasons",
    arguments: [kind(true), name(true)],
    flags: [namespace],
    examples: ["novactl describe vip edge"],
    load: async () => (await import("./describe.ts")).describe,
  },
  {
    name: "apply",
    about: "create or change resources; they are written to the configuration directory",
    arguments: [],
    flags: [files, dryRun, output],
    examples: ["novactl apply -f web.yaml", "novactl apply -f conf.d/ --dry-run", "cat web.yaml | novactl apply -f -"],
    load: async () => (await import("./apply.ts")).apply,
  },
  {
    name: "diff",
    about: "what apply would change, field by field",
    arguments: [],
    flags: [
      files,
      output,
      { name: "exit-code", short: undefined, value: undefined, about: "exit with 1 when something would change" },
    ],
    examples: ["novactl diff -f web.yaml"],
    load: async () => (await import("./apply.ts")).diff,
  },
  {
    name: "delete",
    about: "remove a resource from the configuration directory",
    arguments: [kind(true), name(true)],
    flags: [namespace, dryRun, output],
    examples: ["novactl delete route old"],
    load: async () => (await import("./apply.ts")).remove,
  },
  {
    name: "reload",
    about: "read the files again now (the daemon also watches them)",
    arguments: [],
    flags: [dryRun, output],
    examples: ["novactl reload"],
    load: async () => (await import("./apply.ts")).reload,
  },
  {
    name: "events",
    about: "decisions of the daemon with their reasons",
    arguments: [],
    flags: [
      { name: "watch", short: "w", value: undefined, about: "go on with what happens" },
      {
        name: "limit",
        short: undefined,
        value: { sample: "N", choices: undefined, complete: "none", many: false },
        about: "only the newest N (100)",
      },
      output,
    ],
    examples: ["novactl events -w", "novactl events --limit 20 -o json"],
    load: async () => (await import("./events.ts")).events,
  },
  {
    name: "bgp",
    about: "BGP: peers (or one of them), learnt and own routes, an operator's hand",
    arguments: [
      { name: "peers|routes|clear", required: false, complete: "none", choices: ["peers", "routes", "clear"] },
      { name: "PEER|PREFIX", required: false, complete: "peer" },
    ],
    flags: [
      {
        ...output,
        value: { sample: "FORMAT", choices: [...OUTPUT, "name"], complete: "none", many: false },
        about: "table, wide, json, yaml or name",
      },
      {
        name: "peer",
        short: undefined,
        value: { sample: "PEER", choices: undefined, complete: "none", many: false },
        about: "only routes of this peer",
      },
      {
        name: "soft",
        short: undefined,
        value: { sample: "in|out", choices: ["in", "out"], complete: "none", many: false },
        about: "clear: keep the session; ask for the peer's routes again, or send ours again",
      },
      {
        name: "limit",
        short: undefined,
        value: { sample: "N", choices: undefined, complete: "none", many: false },
        about: "routes: at most so many (1000)",
      },
    ],
    examples: [
      "novactl bgp",
      "novactl bgp routes 192.0.2.0/24",
      "novactl bgp routes --peer tor1 -o wide",
      "novactl bgp clear tor1 --soft in",
    ],
    load: async () => (await import("./bgp.ts")).bgp,
  },
  {
    name: "ospf",
    about: "OSPF: interfaces and neighbors, the link-state database, routes",
    arguments: [
      {
        name: "interfaces|database|routes",
        required: false,
        complete: "none",
        choices: ["interfaces", "database", "routes"],
      },
    ],
    flags: [output],
    examples: ["novactl ospf", "novactl ospf database", "novactl ospf routes"],
    load: async () => (await import("./ospf.ts")).ospf,
  },
  {
    name: "bfd",
    about: "BFD sessions with their timers, counters and last errors",
    arguments: [],
    flags: [output],
    examples: ["novactl bfd", "novactl bfd -o wide"],
    load: async () => (await import("./bfd.ts")).bfd,
  },
  {
    name: "wan",
    about: "WAN links, paths and policies; what happens to a packet and why; keys of this site",
    arguments: [
      { name: WAN_WORDS.join("|"), required: false, complete: "none", choices: WAN_WORDS },
      { name: "LINK|SITE|POLICY|SRC", required: false, complete: "none" },
      { name: "DST", required: false, complete: "none" },
      { name: "PROTO", required: false, complete: "none" },
      { name: "PORT", required: false, complete: "none" },
      { name: "DSCP", required: false, complete: "none" },
    ],
    flags: [
      output,
      { name: "watch", short: "w", value: undefined, about: "events: go on with what happens" },
      {
        name: "limit",
        short: undefined,
        value: { sample: "N", choices: undefined, complete: "none", many: false },
        about: "flows, events: at most so many",
      },
      {
        name: "interface",
        short: "i",
        value: { sample: "INTERFACE", choices: undefined, complete: "none", many: false },
        about: "explain: the packet comes in by this interface",
      },
      {
        name: "policy",
        short: undefined,
        value: { sample: "FILE|DIR|-", choices: undefined, complete: "file", many: true },
        about: "what-if: documents as apply takes them",
      },
      {
        name: "since",
        short: undefined,
        value: { sample: "TIME", choices: undefined, complete: "none", many: false },
        about: "what-if: measurements of the last 24h, or so long",
      },
    ],
    examples: [
      "novactl wan links",
      "novactl wan paths madrid -o wide",
      "novactl wan explain 10.1.0.5 10.2.0.9 udp 5060",
      "novactl wan what-if --policy voice.yaml --since 24h",
      "novactl wan events -w",
      "novactl wan measure lte",
    ],
    load: async () => (await import("./wan.ts")).wan,
  },
  {
    name: "trace",
    about: "decoded packets and changes of state, live, until Ctrl-C",
    arguments: [
      { name: "bgp|ospf|bfd|arp", required: true, complete: "none", choices: ["bgp", "ospf", "bfd", "arp"] },
      { name: "PEER", required: false, complete: "peer" },
    ],
    flags: [output],
    examples: ["novactl trace bgp tor1", "novactl trace bfd 192.0.2.1 -o json", "novactl trace arp 192.0.2.10"],
    load: async () => (await import("./trace.ts")).trace,
  },
  {
    name: "doctor",
    about:
      "check this host: kernel, rights, ports, conflicts, what is ours in the kernel; without a daemon the host alone (exit 3)",
    arguments: [],
    flags: [output],
    examples: ["novactl doctor"],
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "cleanup",
    about: "remove what is ours in the kernel and not wanted; without a running daemon: everything that is ours",
    arguments: [],
    flags: [dryRun, output],
    examples: ["novactl cleanup --dry-run", "novactl cleanup"],
    load: async () => (await import("./cleanup.ts")).cleanup,
  },
  {
    name: "check",
    about: "check configuration files without a daemon; exit 78 when they are wrong",
    arguments: [],
    flags: [
      {
        name: "config",
        short: "c",
        value: { sample: "FILE|DIR", choices: undefined, complete: "file", many: false },
        about: "file, directory of resources, or directory with novaedge.yaml and conf.d/ (/etc/novaedge)",
      },
      {
        name: "no-secrets",
        short: undefined,
        value: undefined,
        about: "open no file that holds a secret: for a copy away from its host",
      },
      output,
    ],
    examples: ["novactl check", "novactl check -c ./conf.d", "novactl check -c ./edge-1 --no-secrets"],
    load: async () => (await import("./check.ts")).check,
  },
  {
    name: "version",
    about: "versions of novactl and of the daemon",
    arguments: [],
    flags: [output],
    examples: ["novactl version"],
    load: async () => (await import("./version.ts")).version,
  },
  {
    name: "completion",
    about: "print a completion script for a shell",
    arguments: [{ name: "SHELL", required: true, complete: "shell" }],
    flags: [],
    examples: [
      "source <(novactl completion bash)",
      "novactl completion fish > ~/.config/fish/completions/novactl.fish",
    ],
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "help",
    about: "what novactl or one of its commands does",
    arguments: [{ name: "COMMAND", required: false, complete: "none" }],
    flags: [],
    examples: ["novactl help apply"],
    load: async () => (await import("./help.ts")).help,
  },
];
