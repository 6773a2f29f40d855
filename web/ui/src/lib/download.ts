/** The browser has taken hold of a file's address by then. */
const HOLD_MS = 1_000;

/** Have the browser save what is at an address, which the login's cookie goes with. "" is the name the server gives. */
export function saveFrom(address: string, name = ""): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

/** Have the browser save a file that this page has. */
export function saveFile(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  saveFrom(address, name);
  setTimeout(() => URL.revokeObjectURL(address), HOLD_MS);
}
