import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { clusterQuery } from "@/api/queries";

interface PageProps {
  title: string;
  /** Beside the title: a count, a state. */
  note?: ReactNode;
  actions?: ReactNode;
  /** Before the title, such as links to what this is a part of. */
  above?: ReactNode;
  children: ReactNode;
}

/** A page behind the login: its title, for people and for the browser's tab, and what is on it. */
export function Page({ title, note, actions, above, children }: PageProps) {
  const client = useQueryClient();
  useEffect(() => {
    const cluster = client.getQueryData(clusterQuery.queryKey)?.name;
    document.title = [title, cluster, "Control Tower"].filter(Boolean).join(" · ");
  }, [client, title]);
  return (
    <>
      <header className="mb-4 flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
        <div className="min-w-0">
          {above !== undefined && <div className="text-sm text-muted">{above}</div>}
          <h1 className="text-lg font-semibold break-words">{title}</h1>
        </div>
        {note !== undefined && <div className="tabular text-sm text-muted">{note}</div>}
        {actions !== undefined && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </>
  );
}
