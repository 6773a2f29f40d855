import type { EnrolmentView } from "@/api/openapi";
import { CopyLine } from "@/components/copy-line";
import { useMessages } from "@/lib/i18n";
import { messages } from "./enrolment-messages";
import { QrCode } from "./qr-code";

/** A new authenticator to be: as a picture, as text, and as a link for this device. Shown once. */
export function Authenticator({ enrolment }: { enrolment: EnrolmentView }) {
  const t = useMessages(messages);
  const secret = enrolment.secret.replace(/(.{4})(?=.)/g, "$1 ");
  return (
    <div className="flex flex-col items-center gap-3 text-sm">
      <p>{t.scan}</p>
      <QrCode qr={enrolment.qr} label={t.qr} />
      <div className="flex w-full flex-col gap-1.5">
        <p className="text-muted">{t.orType}</p>
        <CopyLine text={secret} label={t.secret} />
        <a href={enrolment.uri} className="text-accent underline-offset-2 hover:underline sm:hidden">
          {t.openApp}
        </a>
      </div>
    </div>
  );
}
