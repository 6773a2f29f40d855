/** Takes the room of a table's rows that are not in the page. */
export function SpacerRow({ span, height }: { span: number; height: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={span} style={{ height: `${height}px` }} />
    </tr>
  );
}
