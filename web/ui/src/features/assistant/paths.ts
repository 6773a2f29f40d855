/** The path of a page of this dashboard that `path` leads to; null when it leads elsewhere. */
export function ownPath(path: string, origin: string): string | null {
  if (!path.startsWith("/")) return null;
  // Parsed as a browser does: `//host` and `/\host` are other sites.
  const url = URL.canParse(path, origin) ? new URL(path, origin) : null;
  if (url === null || url.origin !== origin || url.pathname.startsWith("/api/")) return null;
  return url.pathname + url.search + url.hash;
}
