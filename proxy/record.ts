/** What is written down about one exchange: counters, duration, access log. */
import type { Entry } from "./access-log.ts";
import type { Downstream } from "./downstream.ts";
import type { RequestHead } from "./http1/head.ts";
import type { Backend } from "./pool/backend.ts";
import type { Endpoint } from "./pool/endpoint.ts";
import type { Rule } from "./rule.ts";
import type { Traffic } from "./traffic.ts";

export class Record {
  /** Of the response's body, as it was sent. */
  octets = 0;
  readonly #traffic: Traffic;
  #method = 0;
  #startedAt = 0;
  #entry: Entry | undefined = undefined;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  /** `requestForward` has the request's id. */
  begin(head: RequestHead, { client, listener }: Downstream): void {
    const { log, requestForward } = this.#traffic;
    const config = listener.site.log;
    this.#start(head.method);
    if (config !== undefined) this.#entry = log.begin(head, client, requestForward.requestId, config);
  }
  /** What was not a request has no line in the log; it is counted as refused. */
  beginRefused(): void {
    this.#start(0);
  }

  end(
    status: number,
    { listener }: Downstream,
    rule: Rule | undefined,
    backend: Backend | undefined,
    endpoint: Endpoint | undefined,
  ): void {
    const { stats, loop, log } = this.#traffic;
    const milliseconds = loop.turnAt() - this.#startedAt;
    stats.requestsInFlight--;
    (backend === undefined ? stats.none : backend.counters).count(this.#method, status, milliseconds / 1000);
    const entry = this.#entry;
    if (entry === undefined) return;
    this.#entry = undefined;
    const config = listener.site.log;
    if (config !== undefined)
      log.end(entry, config, listener.key, rule?.route, endpoint?.key, status, this.octets, milliseconds);
  }

  #start(method: number): void {
    this.#method = method;
    this.#startedAt = this.#traffic.loop.turnAt();
    this.#traffic.stats.requestsInFlight++;
    this.octets = 0;
  }
}
