/** The leaves of a schema, where they are written in a value, and that value with one of them changed. */
import * as z from "zod";

export type Path = readonly (string | number)[];

/** "spec.listeners[].port"; a leaf with one possible value (a kind, a mode) is none. */
export function leaves(schema: z.core.$ZodType, path = ""): readonly string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return leaves(schema.def.innerType, path);
  }
  if (schema instanceof z.ZodPipe) return leaves(schema.def.in, path);
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, value]) =>
      leaves(value as z.ZodType, path === "" ? key : `${path}.${key}`),
    );
  }
  if (schema instanceof z.ZodArray) return leaves(schema.element, `${path}[]`);
  if (schema instanceof z.ZodRecord) return leaves(schema.valueType, `${path}.*`);
  if (schema instanceof z.ZodDiscriminatedUnion)
    return [...new Set(schema.def.options.flatMap((option) => leaves(option, path)))];
  if (schema instanceof z.ZodLiteral) return [];
  if (schema instanceof z.ZodEnum && schema.options.length === 1) return [];
  return [path];
}

/** Where the leaf is written in this value. */
export function places(value: unknown, pattern: string): readonly Path[] {
  if (pattern === "") return [[]];
  const [, list, key = "", rest = ""] = /^(?:(\[\])|\.?([^.[]+))(.*)$/.exec(pattern) ?? [];
  if (list !== undefined) {
    return Array.isArray(value)
      ? value.flatMap((item, index) => places(item, rest).map((path) => [index, ...path]))
      : [];
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const entries = Object.entries(value).filter(([name]) => key === "*" || name === key);
  return entries.flatMap(([name, inner]) => places(inner, rest).map((path) => [name, ...path]));
}

export function replaced(value: unknown, [step, ...rest]: Path, by: unknown): unknown {
  if (step === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (index === step ? replaced(item, rest, by) : (item as unknown)));
  const object = value as Readonly<Record<string, unknown>>;
  return { ...object, [step]: replaced(object[step], rest, by) };
}
export function at(value: unknown, path: Path): unknown {
  return path.reduce((inner, step) => (inner as Readonly<Record<string | number, unknown>>)[step], value);
}
