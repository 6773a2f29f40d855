/** Paths inside a container. They are absolute and have no `..`. */

export interface Crumb {
  name: string;
  path: string;
}

/** The way from the root to a directory, itself last. */
export function crumbsOf(path: string): Crumb[] {
  const names = path.split("/").filter((name) => name !== "");
  const crumbs: Crumb[] = [{ name: "/", path: "/" }];
  names.forEach((name, index) => {
    crumbs.push({ name, path: `/${names.slice(0, index + 1).join("/")}` });
  });
  return crumbs;
}

export function joined(directory: string, name: string): string {
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  const crumbs = crumbsOf(path);
  return crumbs.at(-2)?.path ?? "/";
}

const TYPES = "rwx";

/** Permission bits as `ls` shows them: "0755" is "rwxr-xr-x". */
export function permissionsOf(mode: string): string {
  const bits = Number.parseInt(mode, 8);
  if (Number.isNaN(bits)) return mode;
  let text = "";
  for (let place = 8; place >= 0; place -= 1) {
    text += (bits >> place) & 1 ? (TYPES[(8 - place) % 3] ?? "") : "-";
  }
  const special: [number, number, string][] = [
    [0o4000, 2, "s"],
    [0o2000, 5, "s"],
    [0o1000, 8, "t"],
  ];
  for (const [bit, place, letter] of special) {
    if ((bits & bit) === 0) continue;
    const isRunnable = text[place] === "x";
    text = text.slice(0, place) + (isRunnable ? letter : letter.toUpperCase()) + text.slice(place + 1);
  }
  return text;
}
