/**
 * Which addresses the host names of classes have, learnt from DNS answers that pass by.  Sans-IO.
 *
 * An answer counts only if its question was seen, from the same place, by the same number: what a stranger sends unasked
 * changes nothing but a counter.  A name of a class may stand anywhere in the chain of aliases that the answer gives for
 * the name that was asked for.  Left out on purpose: DNS over TCP, TLS and HTTPS, which cannot be read or are not seen.
 */
import { type Ip, isIpv4 } from "../../base/address.ts";
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import { type DnsMessage, TYPE_A, TYPE_AAAA } from "../../netstack/wire/dns.ts";

/** A DNS message and the way it went. */
export interface Overheard {
  readonly source: Ip;
  readonly sourcePort: number;
  readonly destination: Ip;
  readonly destinationPort: number;
  readonly message: DnsMessage;
}

export interface Learnt {
  readonly ip: Ip;
  /** The name by which a class knows it. */
  readonly host: string;
  readonly pattern: string;
  readonly time: Ms;
}

export interface LearnCounters {
  readonly answers: number;
  readonly unasked: number;
  readonly full: number;
}

export class Learner {
  #patterns: readonly string[] = [];
  /** Question → until when it is waited for. */
  readonly #asked = new Map<string, Instant>();
  /** Address and pattern → what was learnt, and until when it is right. */
  readonly #known = new Map<string, { readonly learnt: Learnt; readonly until: Instant }>();
  #answers = 0;
  #unasked = 0;
  #full = 0;

  /** Names that matter: "www.example.com", "*.example.com".  Returns what is known of those. */
  watch(patterns: readonly string[], now: Instant): readonly Learnt[] {
    this.#patterns = [...new Set(patterns)];
    for (const [key, { learnt }] of this.#known) if (!this.#patterns.includes(learnt.pattern)) this.#known.delete(key);
    return this.known(now);
  }

  /** What a message teaches. */
  hear(heard: Overheard, now: Instant): readonly Learnt[] {
    const { message } = heard;
    const [question] = message.questions;
    if (question === undefined || message.questions.length !== 1 || message.opcode !== 0) return [];
    if (question.type !== TYPE_A && question.type !== TYPE_AAAA) return [];
    const { source, sourcePort, destination, destinationPort } = heard;
    const asker = message.response ? [destination, destinationPort, source] : [source, sourcePort, destination];
    const key = [...asker, message.id, question.type, question.name].join(" ");
    if (!message.response) {
      if (destinationPort === DNS_PORT && this.#patterns.length > 0) this.#ask(key, now);
      return [];
    }
    if (sourcePort !== DNS_PORT) return [];
    const until = this.#asked.get(key);
    if (until === undefined || until < now) {
      this.#unasked++;
      return [];
    }
    this.#answers++;
    return message.rcode === 0 ? this.#learn(message, question.name, now) : [];
  }

  /** The name that an address is known by. */
  hostOf(ip: Ip, patterns: readonly string[], now: Instant): string | undefined {
    for (const pattern of patterns) {
      const found = this.#known.get(placeOf(ip, pattern));
      if (found !== undefined && found.until >= now) return found.learnt.host;
    }
    return undefined;
  }

  known(now: Instant): readonly Learnt[] {
    return [...this.#known.values()]
      .filter(({ until }) => until > now)
      .map(({ learnt, until }) => ({ ...learnt, time: ms(until - now) }));
  }

  counters(): LearnCounters {
    return { answers: this.#answers, unasked: this.#unasked, full: this.#full };
  }

  #ask(key: string, now: Instant): void {
    this.#asked.delete(key);
    this.#asked.set(key, after(now, PATIENCE));
    // The oldest are first.
    for (const [old, until] of this.#asked) {
      if (this.#asked.size <= MOST_QUESTIONS && until >= now) break;
      this.#asked.delete(old);
    }
  }

  #learn(message: DnsMessage, asked: string, now: Instant): readonly Learnt[] {
    const names = chainOf(message, asked);
    const found = this.#patterns.flatMap((pattern) => {
      const host = names.find((name) => matchesHost(pattern, name));
      return host === undefined ? [] : [{ pattern, host }];
    });
    if (found.length === 0) return [];
    return message.answers.flatMap((record): readonly Learnt[] => {
      if (record.kind !== "address" || !names.includes(record.name) || !isUsable(record.ip)) return [];
      const time = ms(Math.min(Math.max(record.ttl * 1000, LEAST), MOST));
      return found.flatMap(({ pattern, host }) => {
        const learnt: Learnt = { ip: record.ip, host, pattern, time };
        return this.#keep(learnt, now) ? [learnt] : [];
      });
    });
  }

  #keep(learnt: Learnt, now: Instant): boolean {
    const key = placeOf(learnt.ip, learnt.pattern);
    this.#known.delete(key);
    if (this.#known.size >= MOST_ADDRESSES) {
      for (const [old, { until }] of this.#known) if (until < now) this.#known.delete(old);
      if (this.#known.size >= MOST_ADDRESSES) {
        this.#full++;
        return false;
      }
    }
    this.#known.set(key, { learnt, until: after(now, learnt.time) });
    return true;
  }
}

/** "*.example.com" stands for every name below example.com. */
export function matchesHost(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith("*.") ? name.endsWith(wanted.slice(1)) && name.length >= wanted.length : name === wanted;
}

/** The name and what it is an alias of, step by step; an alias that comes round ends it. */
function chainOf(message: DnsMessage, asked: string): readonly string[] {
  const names = [asked];
  for (let name: string | undefined = asked; name !== undefined && names.length < LONGEST_CHAIN; ) {
    const here: string = name;
    const alias = message.answers.find((record) => record.kind === "alias" && record.name === here);
    name = alias?.kind === "alias" && !names.includes(alias.target) ? alias.target : undefined;
    if (name !== undefined) names.push(name);
  }
  return names;
}

/** An answer may say anything: what is no address of a host on the internet or behind it must not be steered. */
function isUsable(ip: Ip): boolean {
  if (isIpv4(ip)) {
    const first = ip >>> 24;
    return first !== 0 && first !== 127 && first < 224 && ip >>> 16 !== 0xa9fe;
  }
  return !/^(::1?$|f[ef])/.test(ip);
}

function placeOf(ip: Ip, pattern: string): string {
  return `${ip} ${pattern}`;
}

const DNS_PORT = 53;
/** Resolvers give up sooner. */
const PATIENCE = ms(15_000);
const MOST_QUESTIONS = 4096;
const MOST_ADDRESSES = 16_384;
const LONGEST_CHAIN = 16;
/** Programs go on using an address for longer than they were told to. */
const LEAST = 600_000;
const MOST = 86_400_000;
