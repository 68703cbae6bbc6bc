/** Every field of a schema with its type, default and description: for the reference and for the test of it. */
import * as z from "zod";
import { formatIp, type Ip } from "../base/address.ts";

export interface Field {
  /** "spec.listeners[].port"; a record's values are "labels.NAME". */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** As it would be written; undefined without one. */
  readonly default: string | undefined;
  readonly about: string;
}

export function fieldsOf(schema: z.core.$ZodType): readonly Field[] {
  return object(schema, "");
}

function object(schema: z.core.$ZodType, path: string): readonly Field[] {
  const { inner } = unwrapped(schema);
  if (inner instanceof z.ZodArray) return object(inner.element, `${path}[]`);
  if (inner instanceof z.ZodRecord) return [];
  if (inner instanceof z.ZodDiscriminatedUnion) return union(inner, path);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape).flatMap(([key, value]) =>
    field(value as z.core.$ZodType, path === "" ? key : `${path}.${key}`),
  );
}

/** The discriminator once, with all its values; then the fields of each branch. */
function union(schema: z.ZodDiscriminatedUnion, path: string): readonly Field[] {
  const { discriminator, options } = schema.def;
  const values: string[] = [];
  const rest = new Map<string, Field>();
  for (const option of options) {
    for (const each of object(option, path)) {
      if (each.path === `${path}.${discriminator}`) values.push(each.type);
      else if (!rest.has(each.path)) rest.set(each.path, directly(each, path) ? { ...each, required: false } : each);
    }
  }
  const tag: Field = {
    path: `${path}.${discriminator}`,
    type: values.join(", "),
    required: true,
    default: undefined,
    about: "Decides which of the other fields are there.",
  };
  return [tag, ...rest.values()];
}

function directly({ path }: Field, parent: string): boolean {
  return !/[.[]/.test(path.slice(parent.length + 1));
}

function field(schema: z.core.$ZodType, path: string): readonly Field[] {
  const { inner, required, fallback, about, title } = unwrapped(schema);
  const own: Field = { path, type: title ?? typeOf(inner), required, default: fallback, about };
  return [own, ...object(inner, path)];
}

interface Unwrapped {
  readonly inner: z.core.$ZodType;
  readonly required: boolean;
  readonly fallback: string | undefined;
  readonly about: string;
  readonly title: string | undefined;
}

function unwrapped(schema: z.core.$ZodType): Unwrapped {
  let inner = schema;
  let required = true;
  let fallback: string | undefined;
  let { description: about, title } = z.globalRegistry.get(schema) ?? {};
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      required = false;
      fallback ??= written(inner.def.defaultValue);
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodOptional) {
      required = false;
      inner = inner.def.innerType;
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.def.in;
    } else {
      return { inner, required, fallback, about: about ?? "", title };
    }
    const meta = z.globalRegistry.get(inner);
    about ??= meta?.description;
    title ??= meta?.title;
  }
}

function typeOf(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.join(", ");
  if (schema instanceof z.ZodLiteral) return [...schema.values].map(String).join(", ");
  if (schema instanceof z.ZodArray) {
    const { inner, title } = unwrapped(schema.element);
    return `list of ${title ?? typeOf(inner)}`;
  }
  if (schema instanceof z.ZodObject || schema instanceof z.ZodDiscriminatedUnion) return "mapping";
  if (schema instanceof z.ZodRecord) return "mapping of texts";
  if (schema instanceof z.ZodUnion) {
    return schema.options
      .map((option) => unwrapped(option))
      .map(({ inner, title }) => title ?? typeOf(inner))
      .join(", or ");
  }
  if (schema instanceof z.ZodString) return "text";
  return "value";
}

function written(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  // A block that is there by default is described by its own fields.
  if (Array.isArray(value) && value.length > 0) return value.map((each) => formatIp(each as Ip)).join(", ");
  return undefined;
}
