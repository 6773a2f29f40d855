import { Link } from "@tanstack/react-router";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { pageMessages } from "./page-messages";
import type { HostPieces, Piece } from "./pieces";

const FILL = {
  ok: "bg-ok-mark",
  warn: "rotate-45 scale-75 bg-warn-mark",
  bad: "bg-bad-mark",
  accent: "bg-accent",
  neutral: "border-[1.5px] border-line-strong",
} as const;

/** The replicas of a service, host by host: a piece each, which leads to its container. */
export function Pieces({ hosts }: { hosts: readonly HostPieces[] }) {
  const t = useMessages(pageMessages);
  const revisions = new Set(hosts.flatMap(({ pieces }) => pieces.map(({ revision }) => revision)));
  return (
    <ul aria-label={t.replicas} className="flex flex-wrap gap-x-3 gap-y-1 text-xs text-muted">
      {hosts.map(({ host, pieces }) => (
        <li key={host} className="flex flex-wrap items-center gap-x-1">
          <span>{host}</span>
          {pieces.map((piece, index) => (
            <span key={piece.id} className="flex items-center">
              {revisions.size > 1 && piece.revision !== pieces[index - 1]?.revision && (
                <span aria-hidden className="tabular">
                  r{piece.revision}
                </span>
              )}
              <PieceLink piece={piece} host={host} />
            </span>
          ))}
          {pieces.length === 0 && <span aria-hidden>–</span>}
        </li>
      ))}
    </ul>
  );
}

function PieceLink({ piece, host }: { piece: Piece; host: string }) {
  const t = useMessages(pageMessages);
  const words = `${piece.name}, ${host}, ${t.pieceRevision(piece.revision)}: ${piece.words}`;
  return (
    <Link
      to="/containers/$node/$container"
      params={{ node: piece.nodeId, container: piece.id }}
      aria-label={words}
      title={words}
      className="flex size-6 items-center justify-center rounded hover:bg-hover pointer-coarse:size-8"
    >
      <span
        aria-hidden
        className={cn(
          "block h-3.5 w-3 rounded-[2px]",
          FILL[piece.tone],
          piece.tone === "bad" && "rounded-none",
        )}
      />
    </Link>
  );
}
