/** What messages are made of: `good` parts, and `bad` ones that somebody once smuggled with or got wrong. */
interface Fragments {
  readonly good: readonly string[];
  readonly bad: readonly string[];
}

export const LINE_END: Fragments = { good: ["\r\n"], bad: ["\n", "\r", "\r\r\n", "\n\r", ""] };
export const BEFORE: Fragments = { good: ["", "", "", "\r\n"], bad: ["\n", " ", "\r", "\0", "x"] };
export const METHOD: Fragments = {
  good: ["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE"],
  bad: ["get", "G ET", "", "CONNECT", "GET\t", "G\0T", "(GET)", "M".repeat(40)],
};
export const GAP: Fragments = { good: [" "], bad: ["  ", "\t", "", " \t", "\r\n "] };
export const TARGET: Fragments = {
  good: [
    "/",
    "/a/b?c=d",
    "http://h.example/x",
    "/%41/../b",
    "/?%",
    "http://h",
    "//x",
    "/a?b=/../c",
    "/.well-known/x",
    "/%2F",
  ],
  bad: [
    "*",
    "/a?b#c",
    "",
    "a",
    "/a b",
    "/\xe9",
    "/\0",
    "/..",
    "/%",
    "http://u@h/",
    "https://h/",
    "/..%2fx",
    "http:///",
    "//\x7f",
  ],
};
export const VERSION: Fragments = {
  good: ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
  bad: [
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/1.2",
    "http/1.1",
    "HTTP/1.10",
    "HTTP/1,1",
    "HTTP /1.1",
    "",
    "HTTP/1.1 ",
    "HTTP/11",
  ],
};
export const HOST: Fragments = {
  good: ["Host: h.example\r\n", "Host: h:80\r\n", "Host: [::1]:80\r\n"],
  bad: ["", "Host: a b\r\n", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a,b\r\n", "Host: a@b\r\n", "Host: a:b\r\n"],
};
export const FRAMING: Fragments = {
  good: [
    "",
    "",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
  ],
  bad: [
    "Content-Length: 10\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\nContent-Length: 5\r\n",
  ],
};
export const FIELD: Fragments = {
  good: [
    "A: b",
    "X-Y:",
    "Accept: \t a b \t",
    "Cookie: caf\xe9",
    'x_y: "q"',
    "!: a,b",
    "Connection: keep-alive",
    "Connection: x, y",
    "Connection: , te ,",
    "Keep-Alive: 5",
    "TE: trailers",
    "Trailer: a",
    "Expect: 100-continue",
    "Connection: Close",
  ],
  bad: [
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 5 5",
    "Content-Length:",
    "Content-Length: -1",
    "Content-Length: 0x5",
    "Content-Length: 05",
    "Content-Length: 99999999999999999999",
    "Content-Length : 5",
    " Content-Length: 5",
    "Content-Length: 5\t",
    "Content\x00-Length: 5",
    "Content-Length: \x0b5",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding:",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked,",
    'Transfer-Encoding: "chunked"',
    "Transfer\x00-Encoding: chunked",
    "Host: again",
    ": x",
    "A",
    "A B: c",
    "A\t: c",
    "(: c",
    "\xe9: c",
    "A: \0",
    "A: b\x7f",
    "A: \x01",
    "A: b\rc",
    "\tfolded",
    "Connection: a b",
    "Expect: 200-ok",
  ],
};
export const CHUNK_SIZE: Fragments = {
  good: ["5", "5", "05", "5;a", "5;a=b", '5;a="b;\\"c"', "5;a=b;c"],
  bad: [
    "5 ",
    "5;",
    "0x5",
    "+5",
    "5\r",
    "5;a=",
    "5; a",
    "FFFFFFFFFFFFFFFFF",
    "5;\x00",
    "-5",
    "",
    '5;a="',
    "5,5",
    "5\n",
    "6",
    "4",
  ],
};
export const LAST_CHUNK: Fragments = { good: ["0", "0", "00", "0;x"], bad: ["", "0 ", "-0", "00000000000000000"] };
export const TRAILER: Fragments = {
  good: ["", "", "X-Sum: 1\r\n", "a:\r\n"],
  bad: ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", " x\r\n", "a b: c\r\n", "a: b\n", "x\r\n", "\r"],
};
export const STATUS: Fragments = {
  good: ["200", "200", "404", "204", "304", "100", "103", "500"],
  bad: ["99", "2000", "20", "abc", "101", "600", " 200"],
};
export const REASON: Fragments = { good: [" OK", " ", "", " a b\xe9"], bad: ["\tOK", "x", " \x00", " a\x7f", "  "] };
