/** What stands between commas, each once: how names are typed into one field, and kept in an address. */
export function listIn(text: string | undefined): string[] {
  const parts = (text ?? "").split(",").map((part) => part.trim());
  return [...new Set(parts)].filter((part) => part !== "");
}
