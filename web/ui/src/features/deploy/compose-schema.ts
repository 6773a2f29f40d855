import { serverWords } from "@/lib/sentences";

/** The part of JSON schema (2020-12) that the published schema of Compose files is written in. */
export interface Schema {
  $ref?: string;
  $defs?: Readonly<Record<string, Schema>>;
  type?: string | readonly string[];
  description?: string;
  default?: unknown;
  examples?: readonly unknown[];
  enum?: readonly unknown[];
  const?: unknown;
  deprecated?: boolean;
  not?: Schema;
  pattern?: string;
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  patternProperties?: Readonly<Record<string, Schema>>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  required?: readonly string[];
}

/** A key or value that may stand at a place. */
export interface Suggestion {
  label: string;
  /** What it is, from the schema. */
  description: string;
  /** Its kind or default, in a word. */
  detail: string;
  /** What goes on behind a key: its value on the line, or something below. */
  form: "scalar" | "mapping" | "list" | "value";
  isRequired: boolean;
}

/** What follows references and alternatives: every plain schema that may hold there. */
function plain(root: Schema, schema: Schema, depth = 0): Schema[] {
  // A schema that refers to itself would never end.
  if (depth > 8) return [];
  const found: Schema[] = [];
  if (schema.$ref !== undefined) {
    const target = root.$defs?.[schema.$ref.replace("#/$defs/", "")];
    if (target !== undefined) found.push(...plain(root, target, depth + 1));
  }
  for (const each of schema.anyOf ?? []) found.push(...plain(root, each, depth + 1));
  found.push(schema);
  return found;
}

function child(root: Schema, schema: Schema, segment: string | number): Schema[] {
  if (typeof segment === "number") return schema.items === undefined ? [] : plain(root, schema.items);
  const named = schema.properties?.[segment];
  if (named !== undefined) return plain(root, named);
  const { additionalProperties: others } = schema;
  return typeof others === "object" ? plain(root, others) : [];
}

/** Every schema that holds at a path; none where the schema says nothing. */
export function schemasAt(root: Schema, path: readonly (string | number)[]): Schema[] {
  let found = plain(root, root);
  for (const segment of path) found = found.flatMap((schema) => child(root, schema, segment));
  return found;
}

/** The keys that may stand at a path and do not yet. Refused ones are left out, those without effect too. */
export function keysAt(
  root: Schema,
  path: readonly (string | number)[],
  siblings: ReadonlySet<string> = new Set(),
): Suggestion[] {
  const found = new Map<string, Suggestion>();
  for (const schema of schemasAt(root, path)) {
    for (const [label, property] of Object.entries(schema.properties ?? {})) {
      if (siblings.has(label) || property.not !== undefined || property.deprecated === true) continue;
      if (!found.has(label)) {
        found.set(label, {
          label,
          description: property.description ?? "",
          detail: detailOf(property),
          form: formOf(plain(root, property)),
          isRequired: schema.required?.includes(label) ?? false,
        });
      }
    }
  }
  return [...found.values()];
}

/** The values that may stand at a path: what the schema lists, and examples of it. */
export function valuesAt(root: Schema, path: readonly (string | number)[]): Suggestion[] {
  const found = new Map<string, Suggestion>();
  const add = (value: unknown, detail: string): void => {
    const label = String(value);
    if (!found.has(label))
      found.set(label, { label, description: "", detail, form: "value", isRequired: false });
  };
  for (const schema of schemasAt(root, path)) {
    for (const value of schema.enum ?? []) add(value, "");
    if (schema.const !== undefined) add(schema.const, "");
    const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? []);
    if (types.includes("boolean") && !types.includes("number"))
      for (const value of [true, false]) add(value, "");
    if (schema.default !== undefined) add(schema.default, "default");
    for (const value of schema.examples ?? []) add(value, "example");
  }
  return [...found.values()];
}

/** What the schema says of a path, for whoever points at it; null when it says nothing. */
export function describe(root: Schema, path: readonly (string | number)[]): string | null {
  const said = schemasAt(root, path).findLast((schema) => schema.description !== undefined);
  if (said?.description === undefined) return null;
  const detail = detailOf(said);
  const words = serverWords(said.description);
  return detail === "" ? words : `${words} (${detail})`;
}

function detailOf(property: Schema): string {
  return property.default === undefined ? "" : `default ${String(property.default)}`;
}

function formOf(schemas: readonly Schema[]): Suggestion["form"] {
  const types = new Set(schemas.flatMap((schema) => schema.type ?? []));
  if (types.has("string") || types.has("integer") || types.has("boolean") || types.has("number"))
    return "scalar";
  if (types.has("array") && !types.has("object")) return "list";
  return types.has("object") ? "mapping" : "scalar";
}
