import type { UserView } from "@/api/openapi";
import { FormError } from "@/components/form-error";
import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/lib/i18n";
import { useMeasure } from "./access-queries";
import { messages } from "./messages";

export type Measure = "sessions" | "factor" | "failures";

/** For somebody who lost an authenticator, left a browser open, or is made to wait: asks, and does it. */
export function UserMeasure({
  measure,
  user,
  onClose,
}: {
  measure: Measure;
  user: UserView;
  onClose: () => void;
}) {
  const t = useMessages(messages).measures[measure];
  const take = useMeasure();
  return (
    <Confirm
      title={t.title(user.name)}
      verb={t.verb}
      isDangerous={measure !== "failures"}
      isPending={take.isPending}
      onCancel={onClose}
      onConfirm={() => take.mutate({ measure, name: user.name }, { onSuccess: onClose })}
    >
      <p>{t.note}</p>
      <FormError error={take.error} />
    </Confirm>
  );
}
