import { useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { EnvironmentView } from "@/api/openapi";
import { environmentsQuery } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { environmentMessages } from "./environment-messages";

/** These are there without being made. */
const BUILT_IN = ["development", "staging", "production"];

/** Asks before an environment goes; of one with services it says which instead. */
export function RemoveEnvironment({
  environment: { name, services },
  onClose,
}: {
  environment: EnvironmentView;
  onClose: () => void;
}) {
  const t = useMessages(environmentMessages);
  const client = useQueryClient();
  const removing = useMutation({
    mutationFn: () => request(`/environments/${encodeURIComponent(name)}`, { method: "DELETE" }),
    onSuccess: () => showDone(t.removed(name)),
    onSettled: () => {
      onClose();
      return client.invalidateQueries({ queryKey: environmentsQuery.queryKey });
    },
  });
  if (services.length > 0) {
    return (
      <Dialog title={t.removeTitle(name)} description={t.hasServices(services.length)} onClose={onClose}>
        <ul className="flex list-inside list-disc flex-col gap-1 text-sm">
          {services.map((service) => (
            <li key={service} className="break-all">
              {service}
            </li>
          ))}
        </ul>
        <div className="mt-4 flex justify-end">
          <Button onClick={onClose}>{t.cancel}</Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Confirm
      title={t.removeTitle(name)}
      verb={t.remove}
      isDangerous
      isPending={removing.isPending}
      onConfirm={() => removing.mutate()}
      onCancel={onClose}
    >
      <p>{t.removeNote}</p>
      {BUILT_IN.includes(name) && <p>{t.builtInNote}</p>}
    </Confirm>
  );
}
