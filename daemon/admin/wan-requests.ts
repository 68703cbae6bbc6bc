/** Bodies of the calls about SD-WAN. */
import * as z from "zod";
import { isProtocol, PROTOCOL_ERROR } from "../../resources/wan-values.ts";
import type { PacketQuestion } from "../wan/words.ts";
import type { MeasureRequest, RediscoverRequest, WhatIfRequest } from "./wan-api.ts";

const name = z.string().max(253);
const address = z.string().max(64);

export const EXPLAIN: z.ZodType<PacketQuestion> = z
  .strictObject({
    source: address,
    destination: address,
    protocol: z.string().max(16).refine(isProtocol, PROTOCOL_ERROR).optional(),
    port: z.int().min(1).max(65_535).optional(),
    dscp: z.int().min(0).max(63).optional(),
    ifname: z.string().max(15).optional(),
  })
  .transform(({ source, destination, protocol, port, dscp, ifname }) => ({
    source,
    destination,
    protocol,
    port,
    dscp,
    ifname,
  }));
export const MEASURE: z.ZodType<MeasureRequest> = z.strictObject({ link: name });
export const REDISCOVER: z.ZodType<RediscoverRequest> = z.strictObject({ link: name.optional() });

const LARGEST_DOCUMENTS = 8 * 1024 * 1024;
export const WHAT_IF: z.ZodType<WhatIfRequest> = z.strictObject({
  documents: z.string().max(LARGEST_DOCUMENTS),
  source: z.string().max(4_096).default("<stdin>"),
});

export const WAN_PATHS: readonly string[] = [
  "GET /v1/wan",
  "GET /v1/wan/flows",
  "GET /v1/wan/keys",
  "GET /v1/wan/records",
  "POST /v1/wan/what-if",
  "POST /v1/wan/explain",
  "POST /v1/wan/measure",
  "POST /v1/wan/rediscover",
];
