/**
 * A log line is a stable dotted name and fields.  trace = per packet; debug = why a branch was taken;
 * info = state an operator can see changed; warn = somebody should act; error = a subsystem is dead.
 */
export type Level = "trace" | "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  trace(name: string, fields?: Fields): void;
  debug(name: string, fields?: Fields): void;
  info(name: string, fields?: Fields): void;
  warn(name: string, fields?: Fields): void;
  error(name: string, fields?: Fields): void;
  /** A log that adds `fields` to every line. */
  with(fields: Fields): Log;
}

export const LEVELS: readonly Level[] = ["trace", "debug", "info", "warn", "error"];

/** Builds a Log on one sink; lines below `least` cost a comparison and nothing else. */
export function logTo(sink: (level: Level, name: string, fields: Fields) => void, least: Level, own: Fields = {}): Log {
  const floor = LEVELS.indexOf(least);
  const at =
    (level: Level) =>
    (name: string, fields: Fields = {}): void => {
      if (LEVELS.indexOf(level) >= floor) sink(level, name, { ...own, ...fields });
    };
  return {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => logTo(sink, least, { ...own, ...fields }),
  };
}

export const SILENT: Log = logTo(() => undefined, "error");
