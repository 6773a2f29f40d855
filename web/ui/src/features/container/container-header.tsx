import { Link } from "@tanstack/react-router";
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { ContainerView } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { formatMoment, parseImage, shortId } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface ContainerHeaderProps {
  container: ContainerView;
  /** Its state, in words with a mark. */
  state: ReactNode;
  /** Why its host cannot be asked now. */
  problem: string;
}

/** What a container is and where it belongs, in one line that wraps. */
export function ContainerHeader({ container, state, problem }: ContainerHeaderProps) {
  const t = useMessages(messages);
  const image = parseImage(container.image);
  return (
    <div className="mb-4 flex flex-col gap-2">
      <div className="flex flex-wrap items-baseline gap-x-5 gap-y-1 text-sm">
        <div className="min-w-0">{state}</div>
        <dl className="contents">
          <Part name={t.onHost}>
            <Link to="/cluster" search={{ host: container.node_id }} className="hover:underline">
              {container.node_name}
            </Link>
          </Part>
          <Part name={t.image}>
            <span title={container.image}>
              {image.short}
              {image.tag !== "" && <span className="text-muted">:{image.tag}</span>}
            </span>
          </Part>
          {container.is_managed ? (
            <Part name={t.replicaOf}>
              <Link
                to="/services/$service"
                params={{ service: container.service }}
                className="hover:underline"
              >
                {container.service}
              </Link>
            </Part>
          ) : (
            <>
              {container.project !== "" && <Part name={t.project}>{container.project}</Part>}
              {container.service !== "" && <Part name={t.service}>{container.service}</Part>}
            </>
          )}
          <Part name={t.id}>
            <span className="font-mono text-xs" title={container.id}>
              {shortId(container.id)}
            </span>
          </Part>
          <Part name={t.created}>{formatMoment(container.created_at_ms)}</Part>
        </dl>
      </div>
      {problem !== "" && (
        <p role="status" className="flex items-start gap-2 text-sm text-warn">
          <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
          <span>
            {t.hostSilent(container.node_name)} <Sentence text={problem} />
          </span>
        </p>
      )}
    </div>
  );
}

function Part({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex min-w-0 items-baseline gap-1.5">
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </div>
  );
}
