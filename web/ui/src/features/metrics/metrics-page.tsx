import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { anomaliesQuery, markersQuery } from "@/api/observing";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { usePageSearch } from "@/components/page-search";
import { Loading } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { Segmented, Toggle } from "@/components/ui/segmented";
import { useShortcuts } from "@/components/use-shortcuts";
import { rangeLabel } from "@/lib/axis-time";
import { serverNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import type { TimeRange } from "@/lib/time-range";
import { Happened, marksOf } from "./happened";
import { messages } from "./messages";
import {
  isLive,
  type MetricsSearch,
  PRESET_USUAL,
  parseSearch,
  rangeOf,
  selectionOf,
  tickOf,
} from "./metrics-search";
import { Moved } from "./moved";
import { PanelChart } from "./panel-chart";
import { panelsOf } from "./panels";
import { RangeBar } from "./range-bar";
import { ReportMenu } from "./report-menu";
import { SubjectPicker } from "./subject-picker";
import { parseSubjects, type Subject, subjectsText } from "./subjects";

const DAY_MS = 86_400_000;
/** The server looks for what was unusual no further back. */
const ANOMALIES_MAX_MS = 27 * DAY_MS;

/** What was measured, over time: of everything, of one thing, or of several side by side. */
export function MetricsPage() {
  const t = useMessages(messages);
  const [search, change] = usePageSearch(parseSearch);
  const subjects = useMemo(() => parseSubjects(search.of), [search.of]);
  const panels = useMemo(() => panelsOf(subjects), [subjects]);
  const range = useRange(search);
  const selection = useMemo(() => selectionOf(search), [search]);
  const about = useMemo(() => aboutOf(subjects), [subjects]);

  const areEventsShown = search.events !== false;
  const markers = useQuery({ ...markersQuery(about, range), enabled: areEventsShown });
  const marks = useMemo(() => (areEventsShown ? marksOf(markers.data) : []), [areEventsShown, markers.data]);
  const isNear = serverNow() - range.startMs <= ANOMALIES_MAX_MS;
  const areAnomaliesShown = search.anomalies !== false && isNear && subjects.length < 2;
  const anomalies = useQuery({
    ...anomaliesQuery(subjects[0]?.name ?? "", spanBefore(range)),
    enabled: areAnomaliesShown,
    retry: false,
  });

  const zoom = (to: TimeRange) => change({ from: Math.round(to.startMs), to: Math.round(to.endMs) });
  const back = () => change({ from: undefined, to: undefined });
  const select = (key: string) => (stretch: TimeRange | null) =>
    change(
      stretch === null
        ? { selFrom: undefined, selTo: undefined, on: undefined }
        : { selFrom: stretch.startMs, selTo: stretch.endMs, on: key },
    );
  const setSubjects = (next: readonly Subject[]) => change({ of: subjectsText(next) });
  useShortcuts([
    { keys: "l", label: t.back, group: t.title, run: back },
    {
      keys: "b",
      label: t.compare,
      group: t.title,
      run: () => change({ compare: search.compare ? undefined : true }),
    },
  ]);

  const chosen = panels.find(({ key }) => key === search.on);
  const isLiveNow = isLive(search);
  return (
    <Page title={t.title} actions={<ReportMenu />}>
      <div className="flex flex-col gap-4">
        <div className="flex flex-col gap-2.5">
          <SubjectPicker subjects={subjects} onChange={setSubjects} />
          <div className="flex flex-wrap items-center gap-2">
            <RangeBar
              range={range}
              preset={isLiveNow ? (search.range ?? PRESET_USUAL) : null}
              isLive={isLiveNow}
              onPreset={(preset) =>
                change({
                  range: preset === PRESET_USUAL ? undefined : preset,
                  from: undefined,
                  to: undefined,
                })
              }
              onRange={zoom}
              onBack={back}
            />
            <p className="tabular text-sm text-muted">
              {isLiveNow ? t.liveOn : rangeLabel(range.startMs, range.endMs)}
            </p>
          </div>
          <div className="flex flex-wrap items-center gap-2">
            <Toggle
              label={t.compare}
              isOn={search.compare === true}
              onChange={(isOn) => change({ compare: isOn || undefined })}
            />
            <Toggle
              label={t.anomalies}
              isOn={search.anomalies !== false}
              onChange={(isOn) => change({ anomalies: isOn ? undefined : false })}
            />
            <Toggle
              label={t.marks}
              isOn={areEventsShown}
              onChange={(isOn) => change({ events: isOn ? undefined : false })}
            />
            <Toggle
              label={t.forecast}
              isOn={search.forecast === true}
              onChange={(isOn) => change({ forecast: isOn || undefined })}
            />
            <span className="ml-auto flex items-center gap-2 text-sm text-muted">
              <span aria-hidden className="max-sm:hidden">
                {t.drag}
              </span>
              <Segmented
                label={t.drag}
                value={search.drag ?? "zoom"}
                onChange={(drag) => change({ drag: drag === "select" ? "select" : undefined })}
                options={[
                  { value: "zoom", label: t.dragZoom },
                  { value: "select", label: t.dragSelect },
                ]}
              />
            </span>
          </div>
        </div>
        {search.forecast === true && subjects.length !== 1 && (
          <p role="status" className="text-sm text-muted">
            {t.forecastWhere}
          </p>
        )}
        <div className={cn("grid gap-4", selection !== null && "xl:grid-cols-[minmax(0,1fr)_24rem]")}>
          {selection !== null && (
            <div className="xl:order-2">
              <Moved
                selection={selection}
                about={chosen?.about}
                onShow={(subject) => setSubjects([subject])}
                onClose={() => select("")(null)}
              />
            </div>
          )}
          <div
            className={cn(
              "grid min-w-0 content-start gap-4",
              selection === null ? "lg:grid-cols-2" : "2xl:grid-cols-2",
            )}
          >
            {panels.map((panel) => (
              <Card key={panel.key} className="min-w-0 px-3 pt-1.5 pb-1 empty:hidden">
                <PanelChart
                  panel={panel}
                  range={range}
                  isCompared={search.compare === true}
                  isForecast={search.forecast === true}
                  anomalies={areAnomaliesShown ? anomalies.data : undefined}
                  marks={marks}
                  selection={selection}
                  drag={search.drag ?? "zoom"}
                  onZoom={zoom}
                  onReset={back}
                  onSelect={select(panel.key)}
                />
              </Card>
            ))}
          </div>
        </div>
        {areEventsShown && (
          <Section title={t.happened} note={markers.data === undefined ? "" : markers.data.markers.length}>
            <Card>
              <Loaded query={markers} loading={<Loading label={t.happened} rows={2} />}>
                {(found) => <Happened markers={found} />}
              </Loaded>
            </Card>
          </Section>
        )}
      </div>
    </Page>
  );
}

/** The stretch that is shown; a live one moves on. */
function useRange(search: MetricsSearch): TimeRange {
  const [nowMs, setNowMs] = useState(serverNow());
  const tick = tickOf(search);
  const isMoving = isLive(search);
  useEffect(() => {
    if (!isMoving) return;
    setNowMs(serverNow());
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setNowMs(serverNow());
    }, tick);
    return () => clearInterval(timer);
  }, [tick, isMoving]);
  const { startMs, endMs } = rangeOf(search, nowMs);
  return useMemo(() => ({ startMs, endMs }), [startMs, endMs]);
}

/** Of what the events are. */
function aboutOf(subjects: readonly Subject[]): Record<string, string> {
  const [only, ...others] = subjects;
  if (only === undefined || others.length > 0) return {};
  if (only.kind === "host") return { node: only.name };
  if (only.kind === "service") return { service: only.name };
  return { node: only.node, name: only.name };
}

/** As a span, so that a range that moves on asks the same for a while. */
function spanBefore(range: TimeRange): string {
  const minutes = Math.ceil((serverNow() - range.startMs) / 60_000 / 5) * 5;
  return `${minutes}m`;
}
