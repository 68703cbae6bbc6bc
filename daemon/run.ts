/**
 * The control process put together: `novaedge run`.  Order: settings, resources, own servers (a second daemon ends
 * here), leftovers of an earlier life, children, ready.  SIGTERM and SIGINT end it gracefully, a second one at once;
 * SIGHUP reads the files again.  Where the service manager is about to start it again, SIGTERM ends this process alone, and
 * its children are taken over by the next one; so they are when it is killed (decisions/0017).
 */
import { closeSync, mkdirSync, openSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../base/fault.ts";
import { after, seconds } from "../base/unit.ts";
import { VERSION } from "../base/version.ts";
import { readSysctl, writeSysctl } from "../netstack/kernel/sysctl.ts";
import { formatDiagnostic } from "../resources/diagnostic.ts";
import { wanSites } from "../resources/wan-sites.ts";
import { adminActions } from "./admin/actions.ts";
import { adminServer } from "./admin/server.ts";
import { NODE_CLOCK } from "./clock.ts";
import { type KeyedConfiguration, Live, readKeyed } from "./config/live.ts";
import { type Places, placesOf } from "./config/places.ts";
import { watchDirectories } from "./config/watch.ts";
import { Control } from "./control.ts";
import { WanBasis } from "./desired/wan-facts.ts";
import { connectEngines } from "./engines.ts";
import { Events } from "./events.ts";
import { EXIT, type Flags } from "./flags.ts";
import { thisHost } from "./host.ts";
import { removeLeftovers } from "./leftovers.ts";
import { closeServer, listenTcp, listenUnix, observationServer } from "./listen.ts";
import { formatFor, openLog } from "./log.ts";
import { expose } from "./metrics/exposition.ts";
import { families } from "./metrics/metrics.ts";
import { overlook } from "./overlook.ts";
import { Allocations } from "./parts/allocations.ts";
import { Dataplanes } from "./parts/dataplanes.ts";
import { bootId, RoutingFile } from "./parts/routing-memory.ts";
import { WanRecords } from "./parts/wan-records.ts";
import { routingMeasured } from "./status/routing-status.ts";
import { residentMemory, type StatusParts, statusOf } from "./status/status.ts";
import { wanStatus } from "./status/wan-status.ts";
import { childrenOf } from "./supervisor/children.ts";
import type { Early } from "./supervisor/early.ts";
import type { Inheritance } from "./supervisor/inheritance.ts";
import { ChildRegister, outlive } from "./supervisor/register.ts";
import { serviceManagerOf } from "./systemd.ts";

/** Resolves with the exit status when the daemon has ended.  The caller disposes of `early`. */
export async function run(flags: Flags, early: Early, inheritance: Inheritance): Promise<number> {
  const places = placesOf(flags.config);
  const read = readKeyed(places, flags);
  if (!read.ok) {
    for (const problem of read.error) process.stderr.write(`${formatDiagnostic(problem)}\n`);
    return EXIT.config;
  }
  try {
    return await new Daemon(read.value, places, flags, early, inheritance).run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`novaedge: ${error.message}\n`);
    return EXIT.failed;
  }
}

class Daemon {
  readonly #settings;
  readonly #events;
  readonly #log;
  readonly #live: Live;
  readonly #dataplanes: Dataplanes;
  readonly #control: Control;
  readonly #parts: StatusParts;
  readonly #register;
  readonly #registerFile;
  readonly #early;
  readonly #inheritance;
  readonly #manager = serviceManagerOf(process.env, process.pid);
  #ready = false;
  #signalledAt: number | undefined;

  constructor(configuration: KeyedConfiguration, places: Places, flags: Flags, early: Early, inheritance: Inheritance) {
    const { settings } = configuration;
    const wall = Date.now;
    const clock = NODE_CLOCK;
    const { format } = settings.log;
    const dress = format === "auto" ? formatFor(process.env["JOURNAL_STREAM"], process.stderr.isTTY) : format;
    const log = openLog(dress, settings.log.level);
    const events = new Events(log, wall);
    const changed = (): void => this.#control.changed();
    this.#settings = settings;
    this.#log = log;
    this.#events = events;
    this.#early = early;
    this.#inheritance = inheritance;
    this.#registerFile = `${settings.admin.socket}.children`;
    this.#register = new ChildRegister(this.#registerFile);
    const reconfigured = (): void => {
      log.setLevel(this.#live.current.settings.log.level);
      this.#control.reconfigured();
    };
    // Where resources are is decided once: a change of paths.config needs a restart as the other paths do.
    const fixed: Places = { ...places, resourceDir: configuration.resourceDir };
    const wanBasis = new WanBasis(settings.paths.state, events);
    const siteKey = ({ settings: own, resources }: KeyedConfiguration) => wanBasis.siteKey(own, resources);
    this.#live = new Live(configuration, { places: fixed, flags, events, wall, changed: reconfigured, siteKey });
    const make = childrenOf({
      settings,
      clock,
      wall,
      events,
      log,
      register: this.#register,
      early,
      inheritance,
      manager: this.#manager,
    });
    this.#dataplanes = new Dataplanes({ ...make.dataplanes, clock, wall, events, changed });
    const wanRecords = new WanRecords({ directory: join(settings.paths.state, "wan-figures"), clock, wall, events });
    const engines = connectEngines({
      supervise: make,
      memory: new RoutingFile(join(settings.paths.state, "routing.json"), bootId(), events),
      records: wanRecords,
      clock,
      wall,
      events,
      changed,
    });
    this.#control = new Control({
      live: this.#live,
      allocations: new Allocations(join(settings.paths.state, "allocations.json"), events),
      dataplanes: this.#dataplanes,
      ...engines,
      wanBasis,
      host: thisHost(),
      overlook,
      events,
      clock,
      wall,
      settled: () => this.#settled(),
    });
    this.#parts = {
      control: this.#control,
      live: this.#live,
      dataplanes: this.#dataplanes,
      ...engines,
      wanBasis,
      wanRecords,
      startedAt: wall(),
      wall,
      memory: residentMemory,
    };
  }

  async run(): Promise<number> {
    const { admin, metrics, health, node } = this.#settings;
    this.#events.emit("daemon.started", { version: VERSION, node: node.name, pid: process.pid });
    const actions = adminActions({ ...this.#parts, reload: (dryRun) => this.#reload(dryRun) });
    const servers = [
      adminServer({ actions, events: this.#events, log: this.#log }),
      observationServer(() => this.#metrics(), undefined),
      observationServer(undefined, { notReady: () => this.#control.notReady() }),
    ] as const;
    const made = mkdirSync(dirname(admin.socket), { recursive: true, mode: 0o755 });
    try {
      await listenUnix(servers[0], admin.socket);
      await listenTcp(servers[1], metrics.address, metrics.port, "metrics");
      await listenTcp(servers[2], health.address, health.port, "health");
      return await this.#serve();
    } finally {
      await Promise.all(servers.map(closeServer));
      if (made !== undefined) removeEmpty(dirname(admin.socket));
    }
  }

  async #serve(): Promise<number> {
    const inherits = {
      pulse: this.#inheritance.has("pulse"),
      routing: this.#inheritance.has("routing"),
      wan: this.#inheritance.has("wan"),
    };
    for (const name of this.#inheritance.useless) this.#manager.forget(name);
    const { pids } = this.#inheritance;
    const left = ChildRegister.left(this.#registerFile).filter(({ pid }) => !pids.has(pid));
    await outlive(left, NODE_CLOCK, this.#events);
    const { places, current } = this.#live;
    // What routing announced before a crash is still announced: its next process takes it over, or removes it.
    const routes = inherits.routing || mayRoute(current);
    // What a process that runs has made is its own affair: it gets the plan, and removes what is not in it.
    const tunnels = inherits.wan || mayTunnel(current);
    removeLeftovers(this.#events, { routes, tunnels, vips: inherits.pulse });
    if (!routes) this.#parts.routing.forget();
    this.#migrateCalls();
    using _watching = watchDirectories(
      [...new Set([dirname(places.settingsFile), current.resourceDir])],
      NODE_CLOCK,
      () => void this.#reload(false),
    );
    using _watchdog = this.#manager.watch(NODE_CLOCK, () => this.#control.alive());
    using _patience = NODE_CLOCK.wakeAt(after(NODE_CLOCK.now(), LONGEST_START), () =>
      this.#announce("started, not ready"),
    );
    const ended = this.#untilSignal();
    this.#control.start();
    await this.#early.discard();
    await ended;
    if (await this.#manager.restarts()) return await this.#leave();
    this.#manager.stopping("withdrawing virtual IPs, finishing requests");
    await this.#control.stop();
    const { keepsRoutes, keepsTunnels } = this.#control;
    removeLeftovers(this.#events, { routes: keepsRoutes, tunnels: keepsTunnels, vips: false });
    this.#register.clear();
    this.#events.emit("daemon.stopped");
    return EXIT.ok;
  }

  /** Everything goes on without us, and another control is about to begin. */
  async #leave(): Promise<number> {
    this.#manager.stopping("restarting: data planes, virtual IPs, routes and tunnels go on");
    await this.#control.leave();
    this.#events.emit("daemon.left");
    return EXIT.ok;
  }

  /** A listening socket that is closed passes its calls on to another process's for the same address. */
  #migrateCalls(): void {
    try {
      if (readSysctl(MIGRATE) === "0") writeSysctl(MIGRATE, "1");
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#events.emit("dataplane.calls-not-migrated", { why: error.message }, "warn");
    }
  }

  /** Resolves at the first signal to end; the second one ends patience. */
  #untilSignal(): Promise<void> {
    return new Promise((resolve) => {
      process.on("SIGHUP", () => {
        if (terminalClosed()) end("SIGHUP");
        else void this.#reload(false);
      });
      const end = (signal: NodeJS.Signals): void => {
        const now = performance.now();
        this.#signalledAt ??= now;
        // A terminal's Ctrl-C reaches us twice when whoever started us passes it on: that is one wish, not two.
        const again = now - this.#signalledAt > SAME_WISH;
        this.#events.emit("daemon.signalled", { signal, again });
        if (again) this.#control.hurry();
        resolve();
      };
      process.on("SIGTERM", end);
      process.on("SIGINT", end);
    });
  }

  #reload(dryRun: boolean): ReturnType<Live["reload"]> {
    if (!dryRun) this.#manager.reloading();
    const answer = this.#live.reload(dryRun);
    // Files that others name, such as keys, may have changed where the configuration has not.
    if (!dryRun) this.#control.changed();
    if (!dryRun) this.#manager.ready(answer.ok ? this.#summary() : `configuration refused: ${answer.error.message}`);
    return answer;
  }

  #settled(): void {
    const missing = this.#control.notReady();
    if (missing !== undefined) return;
    if (this.#ready) return this.#manager.status(this.#summary());
    this.#ready = true;
    this.#events.emit("daemon.ready", { after: Math.round(performance.now()) });
    this.#announce(this.#summary());
  }

  /** READY=1 must come, also from a daemon whose listener's port is taken: restarting it would not free the port. */
  #announce(status: string): void {
    this.#manager.ready(status);
  }

  #summary(): string {
    const { vips, listeners } = statusOf(this.#parts);
    const owned = vips.filter(({ state }) => state === "owner" || state === "announced").length;
    return `has ${owned} of ${vips.length} virtual IPs, ${listeners.length} listeners`;
  }

  #metrics(): string {
    const { reloads } = this.#live;
    const { routing, bfd, wan } = this.#parts;
    const stats = this.#dataplanes.counters.total();
    return expose(
      families({
        status: statusOf(this.#parts),
        stats,
        reloads,
        routing: routingMeasured(routing, bfd),
        wan: { status: wanStatus(wan), counters: wan.counters },
      }),
    );
  }
}

function mayRoute({ settings, resources }: KeyedConfiguration): boolean {
  const { bgp, ospf } = settings;
  return bgp !== undefined || ospf !== undefined || resources.vips.some(({ spec }) => spec.mode !== "L2ARP");
}

/** What an earlier life made for links and tunnels goes on carrying traffic: the next one takes it over. */
function mayTunnel({ settings, resources }: KeyedConfiguration): boolean {
  return wanSites(settings, resources).links.length > 0;
}

/** What somebody else has put there meanwhile stays, and the directory with it. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT" && code !== "EBUSY")
      throw new Fault("FILE", { path: directory, call: "rmdir" }, error);
  }
}

/** SIGHUP's first meaning: the window that the daemon was started in is gone. */
function terminalClosed(): boolean {
  if (!process.stderr.isTTY) return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return false;
  } catch {
    return true;
  }
}

/** Since Linux 5.14. */
const MIGRATE = "net/ipv4/tcp_migrate_req";
/** Milliseconds. */
const SAME_WISH = 300;
const LONGEST_START = seconds(10);
