/** A variable of a Compose file: `${NAME}`, `${NAME:-default}`, `$NAME`. */
export interface Variable {
  name: string;
  /** Nothing stands for it when it is not given. */
  isRequired: boolean;
  default: string;
}

const VARIABLE = /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))/g;

/** The variables that a file uses, in its order; one that is used several ways is required when any of them is. */
export function variablesOf(text: string): Variable[] {
  const found = new Map<string, Variable>();
  for (const line of text.split("\n")) {
    if (line.trimStart().startsWith("#")) continue;
    for (const [, braced, operator = "", rest = "", bare] of line.matchAll(VARIABLE)) {
      const name = braced ?? bare;
      if (name === undefined) continue;
      const hasDefault = operator.endsWith("-");
      const isRequired = !hasDefault && !operator.endsWith("+");
      const known = found.get(name);
      found.set(name, {
        name,
        isRequired: isRequired || known?.isRequired === true,
        default: known?.default || (hasDefault ? rest : ""),
      });
    }
  }
  return [...found.values()];
}

/** Those of the values that the file asks for and somebody gave. */
export function givenOf(
  variables: readonly Variable[],
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    variables.flatMap(({ name }) => {
      const value = values[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
