import type { Token, Tokens } from "marked";
import { memo, type ReactNode, useMemo } from "react";
import { useMessages } from "@/lib/i18n";
import { Cited, useReference } from "./cited";
import { blocksOf, withoutOpenLink } from "./markdown-blocks";
import { messages } from "./messages";

const DEPTH_MAX = 12;

/**
 * An answer's text. It was written by whoever wrote a log line or a label as much as by the model: it becomes elements,
 * never HTML, loads nothing, and links to what was looked up alone.
 *
 * Finished blocks are read out as they come; the one being written is not, since it would be with every word.
 */
export const Markdown = memo(function Markdown({ text, isOpen = false }: { text: string; isOpen?: boolean }) {
  const blocks = useMemo(() => blocksOf(isOpen ? withoutOpenLink(text) : text), [text, isOpen]);
  const finished = isOpen ? blocks.slice(0, -1) : blocks;
  return (
    <div className="flex min-w-0 flex-col gap-2.5 break-words">
      {finished.map((block, index) => (
        <div key={index}>
          <Block token={block} depth={0} />
        </div>
      ))}
      {isOpen && (
        <div aria-live="off">
          {blocks.slice(-1).map((block, index) => (
            <Block key={index} token={block} depth={0} />
          ))}
        </div>
      )}
    </div>
  );
});

function Block({ token, depth }: { token: Token; depth: number }): ReactNode {
  if (depth > DEPTH_MAX) return token.raw;
  switch (token.type) {
    case "heading":
      return (
        <p className="font-semibold">
          <Inline tokens={token.tokens} depth={depth} />
        </p>
      );
    case "paragraph":
      return (
        <p>
          <Inline tokens={token.tokens} depth={depth} />
        </p>
      );
    case "code":
      return (
        <pre className="rounded-md border border-line bg-hover px-2.5 py-1.5 font-mono text-xs break-all whitespace-pre-wrap">
          {token.text}
        </pre>
      );
    case "blockquote":
      return (
        <blockquote className="flex flex-col gap-2 border-l-2 border-line-strong pl-3 text-muted">
          <Blocks tokens={token.tokens} depth={depth} />
        </blockquote>
      );
    case "list":
      return <List list={token as Tokens.List} depth={depth} />;
    case "table":
      return <Table table={token as Tokens.Table} depth={depth} />;
    case "hr":
      return <hr className="border-line" />;
    case "text":
      return token.tokens === undefined ? token.text : <Inline tokens={token.tokens} depth={depth} />;
    default:
      // HTML, and whatever a later Markdown brings.
      return <span className="whitespace-pre-wrap">{token.raw}</span>;
  }
}

function Blocks({ tokens, depth }: { tokens: Token[] | undefined; depth: number }): ReactNode {
  return tokens
    ?.filter(({ type }) => type !== "space" && type !== "def")
    .map((token, index) => <Block key={index} token={token} depth={depth + 1} />);
}

function List({ list, depth }: { list: Tokens.List; depth: number }) {
  const items = list.items.map((item, index) => (
    <li key={index} className="pl-0.5">
      {item.task && (item.checked ? "☑ " : "☐ ")}
      <Blocks tokens={item.tokens.filter(({ type }) => type !== "checkbox")} depth={depth} />
    </li>
  ));
  const looks = "flex flex-col gap-1 pl-5 marker:text-muted";
  if (!list.ordered) return <ul className={`list-disc ${looks}`}>{items}</ul>;
  return (
    <ol start={Number(list.start)} className={`list-decimal ${looks}`}>
      {items}
    </ol>
  );
}

const ALIGNED = { left: "text-left", center: "text-center", right: "text-right" } as const;

function Table({ table, depth }: { table: Tokens.Table; depth: number }) {
  const t = useMessages(messages);
  const aligned = ({ align }: Tokens.TableCell) => (align === null ? "text-left" : ALIGNED[align]);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      role="group"
      aria-label={t.table}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: otherwise keys could not reach what is beyond the edge
      tabIndex={0}
      className="overflow-x-auto rounded-md border border-line"
    >
      <table className="tabular w-full text-sm">
        <thead className="border-b border-line text-muted">
          <tr>
            {table.header.map((cell, index) => (
              <th key={index} scope="col" className={`px-2 py-1 font-medium ${aligned(cell)}`}>
                <Inline tokens={cell.tokens} depth={depth} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {table.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} className={`px-2 py-1 ${aligned(cell)}`}>
                  <Inline tokens={cell.tokens} depth={depth} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Inline({ tokens, depth }: { tokens: Token[] | undefined; depth: number }): ReactNode {
  return tokens?.map((token, index) => <Piece key={index} token={token} depth={depth + 1} />);
}

function Piece({ token, depth }: { token: Token; depth: number }): ReactNode {
  if (depth > DEPTH_MAX) return token.raw;
  const inner = <Inline tokens={"tokens" in token ? token.tokens : undefined} depth={depth} />;
  switch (token.type) {
    case "strong":
      return <strong className="font-semibold">{inner}</strong>;
    case "em":
      return <em>{inner}</em>;
    case "del":
      return <del>{inner}</del>;
    case "codespan":
      return <code className="rounded bg-hover px-1 font-mono text-[0.85em]">{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Linked token={token as Tokens.Link}>{inner}</Linked>;
    case "text":
    case "escape":
    case "image":
      return token.text;
    default:
      return token.raw;
  }
}

function Linked({ token, children }: { token: Tokens.Link; children: ReactNode }) {
  const reference = useReference(token.href);
  const isElsewhere = !token.href.startsWith("ref:") && token.href !== token.text;
  return (
    <>
      <Cited reference={reference}>{children}</Cited>
      {/* Where it would have led is told, and not gone to. */}
      {isElsewhere && ` (${token.href})`}
    </>
  );
}
