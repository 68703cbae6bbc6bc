/**
 * Where log lines go.  Under journald: its own socket, with every field a journal field (`journalctl NOVAEDGE_VIP=web`),
 * and, should that fail, stderr with the priority in front (`<6>`, sd-daemon(3)).  Elsewhere: stderr, as JSON lines, or on
 * a terminal as text for people.
 */
import { fstatSync, writeSync } from "node:fs";
import { type Fields, LEVELS, type Level, type Log, logTo } from "../base/log.ts";
import { sendUnixDatagram } from "../netstack/kernel/unix-datagram.ts";

export type LogFormat = "journal" | "json" | "text";

/** `JOURNAL_STREAM` names the device and inode of the stream that journald reads; it is inherited, so it may be stale. */
export function formatFor(journalStream: string | undefined, terminal: boolean, stderr = 2): LogFormat {
  if (journalStream !== undefined) {
    const { dev, ino } = fstatSync(stderr, { bigint: true });
    if (journalStream === `${dev}:${ino}`) return "journal";
  }
  return terminal ? "text" : "json";
}

/** A log whose level can change while it runs. */
export interface LeveledLog extends Log {
  setLevel(least: Level): void;
}

export function openLog(format: LogFormat, least: Level, write = toStderr, journal = JOURNAL): LeveledLog {
  const dress = DRESSES[format];
  const send = (level: Level, name: string, fields: Fields): void => {
    if (format === "journal" && sendUnixDatagram(journal, journalRecord(level, name, fields)) === 0) return;
    write(dress(level, name, fields, new Date()));
  };
  let floor = LEVELS.indexOf(least);
  const log = logTo((level, name, fields) => {
    if (LEVELS.indexOf(level) >= floor) send(level, name, fields);
  }, "trace");
  return { ...log, setLevel: (level) => void (floor = LEVELS.indexOf(level)) };
}

/**
 * The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): `KEY=value` lines; a value with a line feed as the
 * key, a line feed, its length in 8 octets, little-endian, and its octets.
 */
export function journalRecord(level: Level, name: string, fields: Fields): Buffer {
  const parts: Buffer[] = [];
  const add = (key: string, value: string): void => {
    if (!value.includes("\n")) return void parts.push(Buffer.from(`${key}=${value}\n`));
    const octets = Buffer.from(value);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(octets.length));
    parts.push(Buffer.from(`${key}\n`), length, octets, Buffer.from("\n"));
  };
  add("MESSAGE", `${name}${pairs(fields)}`);
  add("PRIORITY", String(PRIORITIES[level]));
  add("SYSLOG_IDENTIFIER", "novaedge");
  add("NOVAEDGE_EVENT", name);
  for (const [key, value] of Object.entries(plain(fields))) {
    // The journal takes upper-case letters, digits and underscores, at most 64.
    const field = `NOVAEDGE_${key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(/[^A-Za-z0-9]/g, "_")}`;
    if (value !== undefined)
      add(field.toUpperCase().slice(0, 64), typeof value === "string" ? value : JSON.stringify(value));
  }
  return Buffer.concat(parts);
}

type Dress = (level: Level, name: string, fields: Fields, at: Date) => string;

const DRESSES: Readonly<Record<LogFormat, Dress>> = {
  journal: (level, name, fields) => `<${PRIORITIES[level]}>${name}${pairs(fields)}\n`,
  json: (level, name, fields, at) => {
    // A field of that name must not take the event's place.
    const { name: named, ...rest } = plain(fields);
    return `${JSON.stringify({ at: at.toISOString(), level, name, ...(named === undefined ? {} : { named }), ...rest })}\n`;
  },
  text: (level, name, fields, at) => `${at.toISOString().slice(11, 23)} ${coloured(level)} ${name}${pairs(fields)}\n`,
};

function coloured(level: Level): string {
  return process.stderr.isTTY ? `${COLOURS[level]}${level.padEnd(5)}\u001b[0m` : level.padEnd(5);
}

const JOURNAL = "/run/systemd/journal/socket";
/** syslog(3) severities. */
const PRIORITIES: Readonly<Record<Level, number>> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };
const COLOURS: Readonly<Record<Level, string>> = {
  trace: "\u001b[90m",
  debug: "\u001b[90m",
  info: "\u001b[36m",
  warn: "\u001b[33m",
  error: "\u001b[31m",
};

/** Printable, without space, quote or equals sign: needs no quotes. */
const PLAIN = /^[!#-<>-~]+$/;

function pairs(fields: Fields): string {
  let text = "";
  for (const [key, value] of Object.entries(plain(fields))) {
    if (value === undefined) continue;
    const said = typeof value === "string" && PLAIN.test(value) ? value : JSON.stringify(value);
    text += ` ${key}=${said}`;
  }
  return text;
}

/** Errors print as their message, big numbers as text: a log line must never throw. */
function plain(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => {
      if (value instanceof Error) return [key, value.message];
      return [key, typeof value === "bigint" ? value.toString() : value];
    }),
  );
}

/** Synchronous, so that the last words of a dying process arrive.  A reader that went away must not end the daemon. */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EPIPE" && code !== "EAGAIN" && code !== "EIO" && code !== "ENOSPC") throw error;
  }
}
