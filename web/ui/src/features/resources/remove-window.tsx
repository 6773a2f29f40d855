import { Confirm } from "@/components/ui/confirm";
import { translated, useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import type { Kind } from "./resource-queries";
import { nameOf, type Resource, useOf } from "./resource-rows";

interface RemoveWindowProps {
  kind: Kind;
  resource: Resource;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Names the thing, its host, what is lost, and why it would otherwise be kept. */
export default function RemoveWindow({ kind, resource, isPending, onConfirm, onCancel }: RemoveWindowProps) {
  const t = useMessages(messages);
  const isNeeded = useOf(resource) === "kept";
  const note = { images: t.removeImage, volumes: t.removeVolume, networks: t.removeNetwork }[kind];
  return (
    <Confirm
      title={t.askRemove(nameOf(resource), resource.node_name)}
      verb={isNeeded ? t.removeAnyway : t.remove}
      isDangerous
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      <p>{note}</p>
      {isNeeded && <p className="font-medium text-warn">{translated(resource.why, resource.translations)}</p>}
      {"tags" in resource && resource.tags.length > 1 && <p>{resource.tags.join(", ")}</p>}
    </Confirm>
  );
}
