import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { containersQuery } from "@/api/queries";
import { Sheet } from "@/components/ui/sheet";
import { shortId } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { LogViewer } from "./log-viewer";
import type { LogsSearch } from "./logs-search";
import { messages } from "./messages";

interface LogsSheetProps {
  containerId: string;
  onClose: () => void;
}

/** A container's output beside something else; the same viewer as the page's. */
export default function LogsSheet({ containerId, onClose }: LogsSheetProps) {
  const t = useMessages(messages);
  const { data } = useQuery(containersQuery);
  const container = data?.containers.find((each) => each.id === containerId);
  const [search, setSearch] = useState<LogsSearch>({});
  return (
    <Sheet
      isWide
      title={t.titleOf(container?.name ?? shortId(containerId))}
      description={
        container === undefined ? "" : `${container.node_name} · ${container.image} · ${container.status}`
      }
      onClose={onClose}
    >
      <LogViewer
        isCompact
        search={{ ...search, c: containerId }}
        onSearch={(next) => setSearch((before) => ({ ...before, ...next }))}
      />
    </Sheet>
  );
}
