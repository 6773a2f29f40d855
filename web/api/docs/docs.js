"use strict";
// Draws /api/v1/openapi.json. Everything is put in as text: nothing of the document becomes markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH_MAX = 6;
const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

function resolved(api, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? { name, schema: api.components.schemas[name] ?? {} } : { name: "", schema: schema ?? {} };
}

/** The parameters of an operation; those that many have stand elsewhere in the document. */
function parametersIn(api, operation) {
  return (operation.parameters ?? []).map((each) => (each.$ref ? api.components.parameters[each.$ref.split("/").pop()] : each));
}

/** Text in which names are between backticks, as elements. */
function worded(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

/** In words what a value is, such as "array of ContainerView" or "integer, from 1 to 10". */
function typeOf(api, given) {
  const { name, schema } = resolved(api, given);
  if (name && schema.properties) return name;
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map((option) => typeOf(api, option)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return `one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`;
  if (schema.type === "array") {
    if (schema.items) return `array of ${typeOf(api, schema.items)}`;
    return "array";
  }
  if (schema.type === "object" && typeof schema.additionalProperties === "object")
    return `object of ${typeOf(api, schema.additionalProperties)}`;
  const bounds = [];
  if (schema.minimum !== undefined) bounds.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) bounds.push(`to ${schema.maximum}`);
  if (schema.maxLength !== undefined) bounds.push(`at most ${schema.maxLength} characters`);
  if (schema.default !== undefined && schema.default !== null && schema.default !== "")
    bounds.push(`${JSON.stringify(schema.default)} when left out`);
  return [schema.type ?? "any", ...bounds].join(", ");
}

/** The schemas with members of their own that a value is made of. */
function partsOf(api, given) {
  const { name, schema } = resolved(api, given);
  if (schema.properties) return [{ name, schema }];
  const inner = schema.anyOf ?? schema.oneOf ?? (schema.items ? [schema.items] : []);
  const more = typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
  return [...inner, ...more].flatMap((each) => partsOf(api, each));
}

function membersOf(api, part, seen = []) {
  const required = new Set(part.schema.required ?? []);
  const list = element("ul", { class: "members" });
  for (const [name, schema] of Object.entries(part.schema.properties)) {
    const text = [
      element("code", {}, name),
      " ",
      element("span", { class: "quiet" }, `${typeOf(api, schema)}${required.has(name) ? "" : " · may be left out"}`),
      schema.description ? ` ${schema.description}` : "",
    ].filter((each) => each !== "");
    const inner = partsOf(api, schema).filter((each) => !seen.includes(each.name));
    if (inner.length === 0 || seen.length >= DEPTH_MAX) {
      list.append(element("li", {}, ...text));
      continue;
    }
    const details = element("details", {}, element("summary", {}, ...text));
    details.addEventListener(
      "toggle",
      () => details.append(...inner.map((each) => membersOf(api, each, [...seen, each.name]))),
      { once: true },
    );
    list.append(element("li", {}, details));
  }
  return list;
}

function schemaOf(api, schema) {
  return [
    element("p", { class: "quiet" }, typeOf(api, schema)),
    ...partsOf(api, schema).flatMap((part) => [
      part.schema.description ? element("p", {}, ...worded(part.schema.description)) : "",
      membersOf(api, part, [part.name]),
    ]),
  ].filter((each) => each !== "");
}

function parametersOf(api, parameters) {
  if (parameters.length === 0) return [];
  const rows = parameters.map((each) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", {}, each.name)),
      element("td", { class: "quiet" }, `${each.in}${each.required ? "" : ", may be left out"}`),
      element("td", {}, typeOf(api, each.schema), each.description ? `: ${each.description}` : ""),
    ),
  );
  return [element("h3", {}, "Parameters"), element("div", { class: "wide" }, element("table", {}, element("tbody", {}, ...rows)))];
}

function answersOf(api, responses) {
  const parts = [element("h3", {}, "Answers")];
  for (const [status, answer] of Object.entries(responses)) {
    const summary = element("summary", {}, element("code", {}, status), ` ${answer.description}`);
    const details = element("details", {}, summary);
    details.addEventListener(
      "toggle",
      () => {
        for (const [media, { schema }] of Object.entries(answer.content ?? {}))
          details.append(element("p", {}, element("code", {}, media)), ...(schema ? schemaOf(api, schema) : []));
      },
      { once: true },
    );
    parts.push(details);
  }
  return parts;
}

function commandFor(path, method, operation) {
  const parts = ["curl"];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  parts.push(`"${location.origin}${path}"`);
  if (operation.security?.length !== 0) parts.push('-H "Authorization: Bearer $TOWER_TOKEN"');
  if (operation.requestBody) parts.push('-H "Content-Type: application/json" -d @body.json');
  return parts.join(" \\\n  ");
}

function fill(api, details, { path, method, operation }) {
  const command = commandFor(path, method, operation);
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () => {
    navigator.clipboard.writeText(command).then(
      () => copy.replaceChildren("Copied"),
      () => copy.replaceChildren("Select and copy it by hand"),
    );
  });
  const who =
    operation.security?.length === 0
      ? "For everybody, without a login."
      : operation["x-action"]
        ? `Needs permission ${operation["x-action"]}.`
        : "For everybody who is logged in.";
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  const also = operation["x-also"] ?? [];
  details.append(
    element(
      "div",
      { class: "body" },
      element("p", {}, who, also.length ? ` Also at ${also.join(", ")}.` : ""),
      element("pre", { tabindex: "0" }, command),
      copy,
      ...parametersOf(api, parametersIn(api, operation)),
      ...(body ? [element("h3", {}, "Body"), ...schemaOf(api, body)] : []),
      ...answersOf(api, operation.responses),
    ),
  );
}

function draw(api) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const method of METHODS)
      if (methods[method]) {
        const operation = methods[method];
        const group = operation.tags?.[0] ?? "other";
        if (!groups.has(group)) groups.set(group, []);
        groups.get(group).push({ path, method, operation });
      }
  byId("about").append(...api.info.description.split("\n\n").map((text) => element("p", {}, text)));
  const shown = [];
  for (const [group, operations] of groups) {
    const section = element("section", { "aria-labelledby": `group-${group}` });
    section.append(element("h2", { id: `group-${group}` }, group));
    const count = element("span", {}, String(operations.length));
    const link = element("a", { href: `#group-${group}` }, group, count);
    byId("groups").append(link);
    for (const each of operations) {
      const id = each.operation.operationId;
      const method = each.method.toUpperCase();
      const details = element(
        "details",
        { class: "operation", id },
        element(
          "summary",
          {},
          element("span", { class: `method ${method}` }, method),
          element("span", { class: "path" }, each.path),
          element("span", { class: "what" }, each.operation.summary),
        ),
      );
      details.addEventListener("toggle", () => fill(api, details, each), { once: true });
      details.addEventListener("toggle", () => {
        if (details.open) history.replaceState(null, "", `#${id}`);
      });
      section.append(details);
      const names = parametersIn(api, each.operation).map((parameter) => parameter.name);
      const text = [method, each.path, each.operation.summary, each.operation["x-action"] ?? "", ...names, ...(each.operation["x-also"] ?? [])];
      shown.push({ details, section, link, count, text: text.join(" ").toLowerCase() });
    }
    byId("operations").append(section);
  }
  byId("state").remove();
  return shown;
}

function search(shown) {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const counts = new Map();
  let found = 0;
  for (const each of shown) {
    const fits = words.every((word) => each.text.includes(word));
    each.details.hidden = !fits;
    found += fits;
    counts.set(each, fits);
  }
  for (const section of new Set(shown.map((each) => each.section))) {
    const inside = shown.filter((each) => each.section === section);
    const fitting = inside.filter((each) => counts.get(each)).length;
    section.hidden = fitting === 0;
    inside[0].link.hidden = fitting === 0;
    inside[0].count.replaceChildren(String(fitting));
  }
  byId("count").replaceChildren(found === 0 ? "nothing found" : `${found} operations`);
}

function openAddressed() {
  const wanted = byId(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

async function main() {
  const answer = await fetch("/api/v1/openapi.json");
  if (!answer.ok) throw new Error(`the host answered ${answer.status}`);
  const shown = draw(await answer.json());
  const input = byId("search");
  input.value = new URLSearchParams(location.search).get("q") ?? "";
  input.addEventListener("input", () => {
    const query = input.value ? `?q=${encodeURIComponent(input.value)}` : location.pathname;
    history.replaceState(null, "", query);
    search(shown);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === input || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });
  search(shown);
  openAddressed();
  addEventListener("hashchange", openAddressed);
}

main().catch((error) => byId("state")?.replaceChildren(`The document cannot be read: ${error.message}. Reload to try again.`));
