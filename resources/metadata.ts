/** What every resource has, and how labels select. */
import * as z from "zod";
import { label, subdomain, text } from "./scalar.ts";

export const labels = z
  .record(
    z.string().regex(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, "a label name"),
    z
      .string({ error: "a label value in quotes" })
      .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, "a label value"),
  )
  .describe("Names and values to select by.");
export type Labels = Readonly<Record<string, string>>;

const common = {
  labels: labels.default({}).describe("Names and values to select by (`novactl get -l`)."),
  annotations: z.record(z.string(), text).default({}).describe("Notes; shown by `novactl describe`."),
};
export const namespacedMetadata = z.strictObject({
  name: subdomain.describe("Unique among its kind in the namespace."),
  namespace: label.default("default").describe("Groups resources; references stay inside it unless they name another."),
  ...common,
});
/** ProxyVIP and ProxyIPPool belong to no namespace. */
export const clusterMetadata = z.strictObject({
  name: subdomain.describe("Unique among its kind."),
  ...common,
});
export interface Metadata {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly labels: Labels;
  readonly annotations: Labels;
}

const names = z.array(text).min(1, "at least one value");
const key = text.describe("The label's name.");
export const labelSelector = z
  .strictObject({
    matchLabels: labels.default({}).describe("All of these labels with these values."),
    matchExpressions: z
      .array(
        z.discriminatedUnion("operator", [
          z.strictObject({
            key,
            operator: z.literal("In"),
            values: names.describe("The label has one of these values."),
          }),
          z.strictObject({
            key,
            operator: z.literal("NotIn"),
            values: names.describe("The label is absent or has none of these values."),
          }),
          z.strictObject({ key, operator: z.literal("Exists") }),
          z.strictObject({ key, operator: z.literal("DoesNotExist") }),
        ]),
      )
      .default([])
      .describe("All of these hold: In, NotIn (with `values`), Exists, DoesNotExist."),
  })
  .describe("Selects by labels; an empty selector selects everything.");
export type LabelSelector = z.output<typeof labelSelector>;

export function selects(selector: LabelSelector | undefined, of: Labels): boolean {
  if (selector === undefined) return true;
  if (!Object.entries(selector.matchLabels).every(([name, value]) => of[name] === value)) return false;
  return selector.matchExpressions.every((expression) => {
    const value = of[expression.key];
    switch (expression.operator) {
      case "In":
        return value !== undefined && expression.values.includes(value);
      case "NotIn":
        return value === undefined || !expression.values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
    }
  });
}
