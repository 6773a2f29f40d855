import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { ContainerView, SettingsView } from "@/api/openapi";
import { Banner } from "@/components/banner";
import { Fact, Facts } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { LinkButton } from "@/components/ui/link-button";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { useCanHere } from "./can-here";
import { settingsQuery } from "./container-queries";
import { LimitsForm } from "./limits-form";
import type { Planned } from "./recreate";
import { RecreateForm } from "./recreate-form";
import { messages } from "./settings-messages";

interface SettingsTabProps {
  container: ContainerView;
  /** A plan is there to be looked at, and carried out. */
  onPlanned: (planned: Planned) => void;
}

/** How it is set: what applies at once, and what it has to be made anew for. */
export default function SettingsTab({ container, onPlanned }: SettingsTabProps) {
  const t = useMessages(messages);
  const query = useQuery(settingsQuery(container));
  return (
    <Loaded query={query} loading={<Loading label={t.atOnce} rows={10} />}>
      {(settings) => (
        <div className="flex flex-col gap-6">
          {settings.refusal !== "" && (
            <Banner
              tone="warn"
              title={t.managed}
              action={
                <LinkButton to="/services/$service" params={{ service: container.service }}>
                  {t.toService}
                </LinkButton>
              }
            >
              <p>
                <Sentence text={settings.refusal} isCapital />.
              </p>
            </Banner>
          )}
          <LimitsForm key={`limits ${settings.container_id}`} container={container} settings={settings} />
          <Fixed
            key={settings.container_id}
            container={container}
            settings={settings}
            onPlanned={onPlanned}
          />
        </div>
      )}
    </Loaded>
  );
}

interface FixedProps extends SettingsTabProps {
  settings: SettingsView;
}

function Fixed({ container, settings, onPlanned }: FixedProps) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const [isOpen, setOpen] = useState(false);
  const mayChange = can("container.recreate") && settings.refusal === "";
  return (
    <Section
      title={t.needsNew}
      actions={mayChange && <Button onClick={() => setOpen(!isOpen)}>{isOpen ? t.hide : t.change}</Button>}
    >
      <Card className="p-4">
        <p className="mb-4 text-sm text-muted">{t.needsNewNote}</p>
        {isOpen ? (
          <RecreateForm container={container} settings={settings} onPlanned={onPlanned} />
        ) : (
          <Facts>
            <Fact term={t.image}>{settings.image}</Fact>
            <Fact term={t.command} isCode>
              {settings.command.join(" ")}
            </Fact>
            <Fact term={t.variables} isCode>
              {settings.environment.join(", ")}
            </Fact>
            <Fact term={t.ports} isCode>
              {settings.ports
                .map((port) => `${port.host_port || "*"}:${port.container_port}/${port.protocol}`)
                .join(", ")}
            </Fact>
            <Fact term={t.mounts} isCode>
              {settings.mounts.map((mount) => `${mount.source || mount.kind}:${mount.target}`).join(", ")}
            </Fact>
          </Facts>
        )}
      </Card>
    </Section>
  );
}
