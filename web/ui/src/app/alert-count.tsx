/** How many alerts are open, beside the link to them. */
export function AlertCount(_: { isIcons: boolean }) {
  return null;
}
