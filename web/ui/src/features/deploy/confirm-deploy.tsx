import { Confirm } from "@/components/ui/confirm";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { timeZone } from "@/lib/local-time";
import { messages } from "./messages";
import type { Plan } from "./plan";
import type { Options } from "./plan-step";

interface ConfirmDeployProps {
  project: string;
  plan: Plan;
  options: Options;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Names what is touched, and what for sure is lost. */
export default function ConfirmDeploy({
  project,
  plan,
  options,
  isPending,
  onConfirm,
  onCancel,
}: ConfirmDeployProps) {
  const t = useMessages(messages);
  const { reach } = plan;
  const isLater = options.atMs !== null || options.cron !== null;
  return (
    <Confirm
      title={isLater ? t.scheduleTitle(project) : t.deployTitle(project)}
      verb={isLater ? t.schedule : t.deploy}
      isDangerous={reach.drops.length > 0 || options.isUnjudged}
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      {options.atMs !== null && <p>{t.scheduleWords(formatMoment(options.atMs))}</p>}
      {options.cron !== null && <p>{t.cronWords(options.cron, timeZone())}</p>}
      <p>{t.deployWords(reach.services, reach.hosts.length)}</p>
      {options.isUnjudged && <p className="text-warn">{t.deployUnjudged}</p>}
      {reach.drops.map((drop) => (
        <p key={drop} className="text-warn">
          {t.drops}: {drop}
        </p>
      ))}
    </Confirm>
  );
}
