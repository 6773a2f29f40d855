import type { Entry } from "./entries";
import { linesOf } from "./row-heights";
import { shownText } from "./row-view";
import type { Row } from "./rows";
import type { TimeMode } from "./times";

export const LINE_PX = 20;
/** Beside the text: edge, padding, the space between columns. */
const SIDES_PX = 2 + 12 + 12;
const GAP_PX = 12;
const NARROW_PX = 640;
const META_PX = 18;
const REST_INDENT = 2;

export interface Look {
  isWrapped: boolean;
  timeMode: TimeMode;
  /** Shown fields of JSON lines; none: all. */
  fields: readonly string[];
  /** Lines of several containers: each says of which. */
  isNamed: boolean;
  /** Characters of the longest name that is shown. */
  nameLength: number;
  /** Characters of a moment. */
  stampLength: number;
}

export interface Layout {
  number: number;
  look: Look;
  /** Moment and name stand above the text: the page is narrow. */
  isNarrow: boolean;
  columns: number;
  stampPx: number;
  namePx: number;
}

let count = 0;

export function layoutOf(look: Look, widthPx: number, characterPx: number): Layout {
  count += 1;
  const isNarrow = widthPx < NARROW_PX;
  const hasMeta = look.timeMode !== "off" || look.isNamed;
  const stampPx = look.timeMode === "off" ? 0 : Math.ceil(look.stampLength * characterPx);
  const namePx = look.isNamed ? Math.ceil(Math.min(24, look.nameLength) * characterPx) + 14 : 0;
  const beside = isNarrow || !hasMeta ? 0 : (stampPx && stampPx + GAP_PX) + (namePx && namePx + GAP_PX);
  const columns = Math.max(10, Math.floor((widthPx - SIDES_PX - beside) / characterPx));
  return { number: count, look, isNarrow: isNarrow && hasMeta, columns, stampPx, namePx };
}

function textHeight(entry: Entry, layout: Layout, indent: number): number {
  if (!layout.look.isWrapped || entry.stream === "event") return LINE_PX;
  return linesOf(shownText(entry, layout.look.fields).length, layout.columns - indent) * LINE_PX;
}

/** How high a row is without its details; asked for again only when the row or the layout is another. */
export function heightOfRow(row: Row, layout: Layout): number {
  if (row.layout !== layout.number) {
    row.layout = layout.number;
    row.laidOut = 0;
    row.height = textHeight(row.head, layout, 0) + (layout.isNarrow ? META_PX : 0);
  }
  for (; row.laidOut < row.rest.length; row.laidOut += 1) {
    const entry = row.rest[row.laidOut];
    if (entry !== undefined) row.height += textHeight(entry, layout, REST_INDENT);
  }
  return row.height;
}
