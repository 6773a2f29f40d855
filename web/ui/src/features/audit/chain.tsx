import { useQuery } from "@tanstack/react-query";
import { CopyLine } from "@/components/copy-line";
import { Sentence } from "@/components/sentence";
import { Failed } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { verificationQuery } from "./audit-queries";
import { messages } from "./messages";

/** Whether the entries are those the cluster agreed on; computed when somebody asks. */
export function Chain() {
  const t = useMessages(messages);
  const query = useQuery(verificationQuery);
  const { data } = query;
  return (
    <Section title={t.chain}>
      <Card className="flex min-h-14 flex-col gap-2 px-4 py-3 text-sm">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2" role="status">
          {data === undefined ? (
            <Status tone="neutral">{query.isFetching ? t.verifying : t.notChecked}</Status>
          ) : (
            <Status tone={data.is_intact ? "ok" : "bad"}>
              {t.size(data.size)}: {data.is_intact ? t.intact : t.broken}
            </Status>
          )}
          <Button className="ml-auto" disabled={query.isFetching} onClick={() => void query.refetch()}>
            {query.isFetching ? t.verifying : t.verify}
          </Button>
        </div>
        {data !== undefined && !data.is_intact && (
          <p role="alert" className="text-bad">
            <Sentence text={data.reason} />
          </p>
        )}
        {data?.is_intact && (
          <>
            <p className="text-muted">{t.rootNote}</p>
            <CopyLine label={t.root} text={`${data.size} ${data.root}`} />
          </>
        )}
        {query.isError && data === undefined && (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        )}
      </Card>
    </Section>
  );
}
