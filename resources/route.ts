/** ProxyRoute: which requests go where, and what is changed on the way. */
import * as z from "zod";
import { duration, fieldName, fieldValue, hostname, integer, label, path, size, subdomain, text } from "./scalar.ts";

const parentRef = z.strictObject({
  name: subdomain.describe("Name of a ProxyGateway."),
  namespace: label.optional().describe("Its namespace; the route's own without it."),
  sectionName: subdomain.optional().describe("One listener of the gateway; all of them without it."),
});

const backendRef = z.strictObject({
  name: subdomain.describe("Name of a ProxyBackend."),
  namespace: label.optional().describe("Its namespace; the route's own without it."),
  weight: integer(0, 1_000_000)
    .default(1)
    .describe("Share of requests in relation to the other backends; 0 gets none."),
});

function isRegex(source: string): boolean {
  try {
    new RegExp(source); // as the data plane compiles it
    return true;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return false;
    throw thrown;
  }
}

/** What a request's path can be after it is normalised; anything else would never match. */
export function isRoutePath(value: string): boolean {
  if (!/^\/(?:[^?#\\%\s]|%[0-9a-fA-F]{2})*$/.test(value)) return false;
  // RFC 3986 §6.2.2.2: an unreserved octet has no reason to be encoded; NUL and overlong UTF-8 are refused in requests.
  if (/%(?:2e|00|c[01]|e0%[89]|f0%8)/i.test(value)) return false;
  // A dot segment, also one that only a server which decodes slashes first would see.
  return !value.split(/\/|%2f|%5c/i).some((segment) => /^\.\.?(?:;|$)/.test(segment));
}

function valueMatch(name: z.ZodType<string, string>, what: string) {
  return z
    .strictObject({
      type: z.enum(["Exact", "RegularExpression"]).default("Exact").describe("How the value is compared."),
      name: name.describe(`Name of the ${what}.`),
      value: text.describe("Value, or a regular expression that must match the whole value."),
    })
    .refine((each) => each.type === "Exact" || isRegex(each.value), { error: "a regular expression", path: ["value"] });
}

const match = z.strictObject({
  path: z
    .strictObject({
      type: z
        .enum(["Exact", "PathPrefix", "RegularExpression"])
        .describe("`PathPrefix` compares whole segments: /api matches /api/v1 and not /apiv1."),
      value: text.min(1, "a path").describe("Path without the query."),
    })
    .refine((each) => each.type === "RegularExpression" || isRoutePath(each.value), {
      error: "a path beginning with '/', without query, dot segments and needless encoding",
      path: ["value"],
    })
    .refine((each) => each.type !== "RegularExpression" || isRegex(each.value), {
      error: "a regular expression",
      path: ["value"],
    })
    .optional()
    .describe("The request's path."),
  headers: z.array(valueMatch(fieldName, "header")).max(16, "at most 16").default([]).describe("All of these headers."),
  queryParams: z
    .array(valueMatch(text.min(1, "a name"), "query parameter"))
    .max(16, "at most 16")
    .default([])
    .describe("All of these query parameters."),
  method: z
    .enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"])
    .optional()
    .describe("The request's method."),
});

/** Headers that frame or address a message belong to the proxy: changing them would break or smuggle requests. */
const OWNED = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const headerName = fieldName.refine((name) => !OWNED.has(name.toLowerCase()), {
  error: `a header that the proxy does not own (${[...OWNED].join(", ")} are its own)`,
});
const header = z.strictObject({
  name: headerName.describe("Header name."),
  value: fieldValue.describe("Header value."),
});
const headers = z.array(header).min(1, "at least one header").max(64, "at most 64 headers");
const headerNames = z.array(headerName).min(1, "at least one header name").max(64, "at most 64 header names");

const filter = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("AddHeader"), add: headers.describe("Headers added to the request.") }),
  z.strictObject({ type: z.literal("RemoveHeader"), remove: headerNames.describe("Headers taken from the request.") }),
  z.strictObject({
    type: z.literal("ResponseAddHeader"),
    responseAdd: headers.describe("Headers added to the response."),
  }),
  z.strictObject({
    type: z.literal("ResponseSetHeader"),
    responseSet: headers.describe("Headers set in the response, replacing those of the same name."),
  }),
  z.strictObject({
    type: z.literal("ResponseRemoveHeader"),
    responseRemove: headerNames.describe("Headers taken from the response."),
  }),
  z.strictObject({
    type: z.literal("RequestRedirect"),
    redirectURL: z
      .string({ error: "a URL or an absolute path" })
      .max(2048, { error: "a URL of at most 2048 characters", abort: true })
      .regex(/^(https?:\/\/[\u0021-\u007e]+|\/[\u0021-\u007e]*)$/, "a URL (http or https) or an absolute path")
      .describe("Answer 302 with this Location; no backend is asked."),
  }),
  z.strictObject({
    type: z.literal("URLRewrite"),
    rewritePath: path
      .regex(/^[^?#]*$/, "a path without query")
      .describe("The path that the backend sees, or what stands for the prefix that matched; the query stays."),
  }),
]);

const rule = z.strictObject({
  matches: z
    .array(match)
    .max(8, "at most 8 matches")
    .default([])
    .describe("Alternatives; inside one, everything must hold. Empty matches every request."),
  filters: z.array(filter).max(16, "at most 16 filters").default([]).describe("Applied in order."),
  backendRefs: z
    .array(backendRef)
    .min(1, "at least one backend")
    .max(16, "at most 16 backends")
    .optional()
    .describe("Backends by weight."),
  backendRef: backendRef.optional().describe("Another way to write `backendRefs` with one entry."),
  timeout: duration("1ms", "24h")
    .optional()
    .describe("Time for the whole exchange, then 504. Without it there is no limit."),
  maxRequestBodySize: size
    .optional()
    .describe("A longer request body gets 413; of this and the listener's limit the lower one holds."),
  limits: z
    .strictObject({
      maxRequestBodySize: size.optional().describe("Another way to write the rule's `maxRequestBodySize`."),
      requestTimeout: duration("1ms", "24h").optional().describe("Another way to write `timeout`."),
    })
    .optional()
    .describe("Limits of this rule."),
});

export const routeSpec = z.strictObject({
  parentRefs: z
    .array(parentRef)
    .min(1, "at least one gateway")
    .max(32, "at most 32 gateways")
    .describe("Gateways that this route belongs to."),
  hostnames: z
    .array(hostname)
    .default([])
    .describe("Hosts: exact, `*.example.com`, `api.*` or `*`; empty matches all."),
  rules: z
    .array(rule)
    .min(1, "at least one rule")
    .max(16, "at most 16 rules")
    .describe("What to do with which request."),
});
export type RouteSpec = z.output<typeof routeSpec>;
export type RuleSpec = z.output<typeof rule>;
export type FilterSpec = z.output<typeof filter>;
