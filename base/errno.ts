/** What an operator reads instead of the name of an errno(3). */
export function errnoWords(name: string): string {
  return WORDS[name] ?? name;
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRNOTAVAIL: "no address or port left to connect from",
  ECONNABORTED: "connection aborted",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTDOWN: "host is down",
  EHOSTUNREACH: "no route to host",
  EIO: "input/output error",
  EISDIR: "is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "name too long",
  ENETDOWN: "network is down",
  ENETUNREACH: "network is unreachable",
  ENFILE: "too many open files in the system",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left",
  ENOTDIR: "a part of the path is no directory",
  EPERM: "not permitted",
  EPIPE: "connection closed",
  EROFS: "read-only file system",
  ETIMEDOUT: "connection timed out",
};
