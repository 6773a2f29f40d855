import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

type Bundle = Parameters<Extract<NonNullable<Plugin["generateBundle"]>, (...args: never[]) => unknown>>[1];

/**
 * Prints what a browser fetches before the first page is usable (the entry, everything it imports statically, and
 * their style sheets), gzip level 9, and fails the build above `limitBytes`.
 */
export function firstLoad(options: { limitBytes: number }): Plugin {
  return {
    name: "first-load",
    apply: "build",
    generateBundle(_, bundle) {
      const files = firstFiles(bundle);
      let total = 0;
      const lines: string[] = [];
      for (const file of files) {
        const output = bundle[file];
        if (output === undefined) continue;
        const source = output.type === "chunk" ? output.code : output.source;
        const bytes = gzipSync(source, { level: 9 }).length;
        total += bytes;
        lines.push(`  ${(bytes / 1000).toFixed(1).padStart(6)} kB  ${file}`);
      }
      const limit = (options.limitBytes / 1000).toFixed(0);
      process.stdout.write(
        `first load, gzip: ${(total / 1000).toFixed(1)} kB of at most ${limit} kB\n${lines.join("\n")}\n`,
      );
      if (total > options.limitBytes) {
        this.error(`the first load is above ${limit} kB: load what it does not need on demand`);
      }
    },
  };
}

function firstFiles(bundle: Bundle): Set<string> {
  const files = new Set<string>();
  const visit = (file: string): void => {
    const output = bundle[file];
    if (output?.type !== "chunk" || files.has(file)) return;
    files.add(file);
    for (const imported of output.imports) visit(imported);
    for (const css of output.viteMetadata?.importedCss ?? []) files.add(css);
  };
  for (const output of Object.values(bundle)) {
    if (output.type === "chunk" && output.isEntry) visit(output.fileName);
  }
  return files;
}
