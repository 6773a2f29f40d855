import type { StoredFileView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { type Kind, useRemove, usersOf } from "./stored-files";

interface RemoveWindowProps {
  kind: Kind;
  stored: StoredFileView;
  onClose: () => void;
}

/** Asks before a secret or config goes; of one in use it says what would break instead. */
export function RemoveWindow({ kind, stored, onClose }: RemoveWindowProps) {
  const t = useMessages(messages);
  const remove = useRemove(kind, onClose);
  const users = usersOf(stored);
  if (users.length > 0) {
    return (
      <Dialog title={t.inUseTitle(stored.name)} description={t.inUseNote} onClose={onClose}>
        <ul className="flex list-inside list-disc flex-col gap-1 text-sm">
          {users.map((service) => (
            <li key={service} className="break-all">
              {service}
            </li>
          ))}
        </ul>
        <div className="mt-4 flex justify-end">
          <Button onClick={onClose}>{t.close}</Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Confirm
      title={t.removeTitle(stored.name)}
      verb={t.removeVerb}
      isDangerous
      isPending={remove.isPending}
      onConfirm={() => remove.mutate(stored)}
      onCancel={onClose}
    >
      <p>{t.removeNote(stored.versions.length)}</p>
    </Confirm>
  );
}
