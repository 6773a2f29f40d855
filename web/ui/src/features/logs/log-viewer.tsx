import { useQuery } from "@tanstack/react-query";
import {
  ChevronDown,
  ChevronUp,
  Clock,
  Download,
  Pause,
  Play,
  ScrollText,
  Settings2,
  TriangleAlert,
} from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { errorWords } from "@/api/problem";
import { Empty, Failed, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/field";
import { MenuButton } from "@/components/ui/menu-button";
import { useShortcuts } from "@/components/use-shortcuts";
import { cn } from "@/lib/cn";
import { saveFrom } from "@/lib/download";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { listIn } from "@/lib/lists";
import { useSentences } from "@/lib/sentences";
import { CheckList } from "./check-list";
import { type Entry, isAt, LEVELS, parsePlace, placeOf, STREAMS } from "./entries";
import { Histogram } from "./histogram";
import type { Look } from "./layout";
import { LogLines } from "./log-lines";
import type { LogModel, Phase, Wish } from "./log-model";
import { type Choice, downloadAddress, readSources } from "./log-source";
import { choiceIn, filterIn, type LogsSearch } from "./logs-search";
import { expressionOf, hasMatch } from "./matching";
import { messages } from "./messages";
import { useLogPreferences } from "./preferences";
import { fieldPaths, readingOf, shownText } from "./row-view";
import { SourcePicker } from "./source-picker";
import { inputOfMoment, momentOfInput, TIME_MODES } from "./times";
import { useLogModel } from "./use-log-model";

const SOURCES_REFRESH_MS = 10_000;
const TYPING_MS = 400;

const PHASE_TONE: Record<Phase | "paused", Tone> = {
  loading: "neutral",
  live: "ok",
  paused: "accent",
  reconnecting: "warn",
  past: "accent",
  failed: "bad",
};

interface LogViewerProps {
  search: LogsSearch;
  onSearch: (next: Partial<LogsSearch>, options?: { replace?: boolean }) => void;
  /** In a window beside something else: one container, without what chooses others. */
  isCompact?: boolean;
}

/** The log of whatever is chosen: what was, and each line as it comes. */
export function LogViewer({ search, onSearch, isCompact = false }: LogViewerProps) {
  const t = useMessages(messages);
  const choice = useMemo(() => choiceIn(search), [search]);
  const filter = useMemo(() => filterIn(search), [search]);
  const fields = listIn(search.f);
  const isOnlyMatches = search.only === true && filter.text !== "";
  const place = parsePlace(search.line);
  // A link to a line leads to its time; choosing one of those in sight does not.
  const [linkedUs, setLinkedUs] = useState(place?.atUs ?? null);
  const atUs = search.at ?? null;
  const wish: Wish = {
    choice,
    filter: isOnlyMatches ? filter : { ...filter, text: "", context: 0 },
    isOnlyMatches,
    atUs: atUs ?? linkedUs,
  };
  const model = useLogModel(wish);
  const [isFollowing, setFollowing] = useState(wish.atUs === null);
  useEffect(() => setFollowing(model.wish.atUs === null), [model]);
  const follow = (on: boolean) => {
    setFollowing(on);
    model.setFollowing(on);
  };
  const { data: sources } = useQuery({
    queryKey: ["log-sources"],
    queryFn: ({ signal }) => readSources(signal),
    refetchInterval: SOURCES_REFRESH_MS,
  });
  useRefollowing(
    model,
    sources?.sources.filter((each) => each.is_present).map((each) => each.container_id),
  );
  const [preferences, setPreferences] = useLogPreferences();
  const expression = useMemo(() => expressionOf(filter), [filter]);
  const isBroken = filter.text !== "" && expression === null;
  const finding = useFinding(model, filter, expression, fields, search, onSearch, () => follow(false));

  const goLive = () => {
    setLinkedUs(null);
    onSearch({ at: undefined, line: undefined });
    if (model.wish.atUs === null) follow(true);
  };
  useShortcuts([
    {
      keys: "f",
      label: t.toggleFollow,
      group: t.shortcuts,
      run: () => (model.phase === "past" ? goLive() : follow(!isFollowing)),
    },
    { keys: "n", label: t.next, group: t.shortcuts, run: () => finding.go(1) },
    { keys: "N", label: t.previous, group: t.shortcuts, run: () => finding.go(-1) },
  ]);

  const names = new Set(model.buffer.entries.slice(-500).map((entry) => entry.source));
  const look: Look = {
    ...preferences,
    fields,
    isNamed: !isCompact && (isOfSeveral(sources?.sources.length, choice) || names.size > 1),
    nameLength: Math.max(0, ...[...names].map((source) => source.name.length)),
    stampLength: preferences.timeMode === "relative" ? 14 : isOfToday(model) ? 12 : 18,
  };
  const jump = (at: number) => onSearch({ at, line: undefined });
  const around = (entry: Entry) =>
    onSearch({ only: undefined, at: entry.atUs, line: placeOf(entry), level: undefined, stream: undefined });
  const only = (entry: Entry) =>
    onSearch({ c: entry.source.container_id.slice(0, 12), s: undefined, p: undefined, h: undefined });
  const linkTo = (entry: Entry) => {
    const address = new URL("/logs", window.location.href);
    address.searchParams.set("c", entry.source.container_id.slice(0, 12));
    address.searchParams.set("line", placeOf(entry));
    return address.href;
  };

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-2">
        {!isCompact && (
          <SourcePicker
            className="max-sm:-order-2"
            sources={sources}
            choice={choice}
            onChoose={(chosen) =>
              onSearch({
                c: chosen.containers.join(",") || undefined,
                s: chosen.services.join(",") || undefined,
                p: chosen.projects.join(",") || undefined,
              })
            }
          />
        )}
        <SearchField
          search={search}
          onSearch={onSearch}
          isBroken={isBroken}
          onEnter={(isBack) => finding.go(isBack ? -1 : 1)}
        />
        {filter.text !== "" && (
          <div className="flex items-center gap-1">
            <Button
              tone="ghost"
              isIcon
              aria-label={t.previous}
              disabled={expression === null}
              onClick={() => finding.go(-1)}
            >
              <ChevronUp aria-hidden className="size-4" />
            </Button>
            <Button
              tone="ghost"
              isIcon
              aria-label={t.next}
              disabled={expression === null}
              onClick={() => finding.go(1)}
            >
              <ChevronDown aria-hidden className="size-4" />
            </Button>
          </div>
        )}
        <CheckList
          label={t.levels}
          summary={
            filter.levels.length === 0 ? t.everyLevel : filter.levels.map((each) => t.level[each]).join(", ")
          }
          options={LEVELS.map((value) => ({ value, label: t.level[value] ?? value }))}
          chosen={filter.levels}
          onChange={(chosen) => onSearch({ level: chosen.join(",") || undefined })}
        />
        <CheckList
          label={t.streams}
          summary={
            filter.streams.length === 0
              ? t.everyStream
              : filter.streams.map((each) => t.stream[each]).join(", ")
          }
          options={STREAMS.map((value) => ({ value, label: t.stream[value] ?? value }))}
          chosen={filter.streams}
          onChange={(chosen) => onSearch({ stream: chosen.join(",") || undefined })}
        />
        <CheckList
          label={t.fields}
          summary={fields.length === 0 ? t.fields : t.chosen(fields.length)}
          options={[...new Set([...fields, ...fieldPaths(model.buffer.entries)])].map((value) => ({
            value,
            label: value,
          }))}
          chosen={fields}
          onChange={(chosen) => onSearch({ f: chosen.join(",") || undefined })}
          empty={t.fieldsNone}
        />
        <div className="ml-auto flex flex-wrap items-center gap-2 max-sm:-order-1">
          <TimeField atUs={atUs} onJump={jump} />
          <MenuButton
            isIcon
            aria-label={t.view}
            menuLabel={t.view}
            groups={[
              TIME_MODES.map((mode) => ({
                key: mode,
                label: t.timeMode[mode] ?? mode,
                isChecked: preferences.timeMode === mode,
                onSelect: () => setPreferences({ timeMode: mode }),
              })),
              [
                {
                  key: "wrap",
                  label: t.wrap,
                  isChecked: preferences.isWrapped,
                  onSelect: () => setPreferences({ isWrapped: !preferences.isWrapped }),
                },
              ],
            ]}
          >
            <Settings2 aria-hidden className="size-4" />
          </MenuButton>
          <MenuButton
            isIcon
            aria-label={t.download}
            menuLabel={t.download}
            groups={[
              [
                {
                  key: "all",
                  label: t.downloadAll,
                  onSelect: () => saveFrom(downloadAddress(choice, null, "text")),
                },
                {
                  key: "text",
                  label: t.downloadShown,
                  onSelect: () => saveFrom(downloadAddress(choice, filter, "text")),
                },
                {
                  key: "json",
                  label: t.downloadJson,
                  onSelect: () => saveFrom(downloadAddress(choice, filter, "ndjson")),
                },
              ],
            ]}
          >
            <Download aria-hidden className="size-4" />
          </MenuButton>
        </div>
      </div>
      {!isCompact && (
        <Histogram
          choice={choice}
          span={search.span ?? "1h"}
          onSpan={(span) => onSearch({ span })}
          onJump={jump}
        />
      )}
      <Notices model={model} />
      <Body
        model={model}
        search={search}
        onSearch={onSearch}
        look={look}
        expression={expression}
        isFollowing={isFollowing}
        follow={follow}
        around={around}
        only={only}
        linkTo={linkTo}
      />
      <div className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1 border-t border-line px-3 py-1 text-sm text-muted">
        <StateLine model={model} isFollowing={isFollowing} />
        <span role="status" className="min-w-0 truncate">
          {finding.note}
        </span>
        <div className="ml-auto flex items-center gap-2">
          {model.phase === "past" ? (
            <Button onClick={goLive}>
              <Play aria-hidden className="size-3.5" />
              {t.goLive}
            </Button>
          ) : (
            <Button aria-keyshortcuts="f" onClick={() => follow(!isFollowing)}>
              {isFollowing ? (
                <Pause aria-hidden className="size-3.5" />
              ) : (
                <Play aria-hidden className="size-3.5" />
              )}
              {isFollowing ? t.pause : t.follow}
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}

function isOfSeveral(count: number | undefined, choice: Choice): boolean {
  if (choice.containers.length === 1 && choice.services.length + choice.projects.length === 0) return false;
  return (count ?? 0) > 1;
}

function isOfToday(model: LogModel): boolean {
  const { first } = model.buffer;
  return first === undefined || new Date(first.atUs / 1_000).toDateString() === new Date().toDateString();
}

/** Follow anew when containers came: a new replica's lines are wanted too. */
function useRefollowing(model: LogModel, present: readonly string[] | undefined): void {
  const key = present?.join(",");
  const before = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (key === undefined) return;
    if (before.current !== undefined && before.current !== key) model.refollow();
    before.current = key;
  }, [key, model]);
}

interface SearchFieldProps extends Pick<LogViewerProps, "search" | "onSearch"> {
  isBroken: boolean;
  onEnter: (isBack: boolean) => void;
}

function SearchField({ search, onSearch, isBroken, onEnter }: SearchFieldProps) {
  const t = useMessages(messages);
  const [text, setText] = useState(search.q ?? "");
  const timer = useRef(0);
  const given = search.q ?? "";
  useEffect(() => setText(given), [given]);
  const change = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(
      () => onSearch({ q: value || undefined }, { replace: true }),
      TYPING_MS,
    );
  };
  return (
    <div className="flex min-w-0 flex-wrap items-center gap-2 max-sm:w-full sm:flex-1">
      <div className="relative min-w-0 flex-1 sm:max-w-96">
        <Input
          type="search"
          aria-label={t.search}
          aria-invalid={isBroken}
          placeholder={t.searchHint}
          className={cn("w-full pr-18", isBroken && "border-bad-mark")}
          value={text}
          maxLength={1000}
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            clearTimeout(timer.current);
            if (text !== given) onSearch({ q: text || undefined }, { replace: true });
            else onEnter(event.shiftKey);
          }}
        />
        <div className="absolute inset-y-0 right-1 flex items-center gap-0.5">
          <Flag
            label={t.caseSensitive}
            isOn={search.case === true}
            onChange={(on) => onSearch({ case: on || undefined })}
          >
            Aa
          </Flag>
          <Flag
            label={t.regex}
            isOn={search.re === true}
            onChange={(on) => onSearch({ re: on || undefined })}
          >
            .*
          </Flag>
        </div>
      </div>
      {given !== "" && (
        <>
          <label className="inline-flex items-center gap-1.5 text-sm whitespace-nowrap select-none">
            <input
              type="checkbox"
              className="size-3.5 accent-accent"
              checked={search.only === true}
              onChange={(event) => onSearch({ only: event.currentTarget.checked || undefined })}
            />
            {t.onlyMatches}
          </label>
          {search.only === true && (
            <Select
              aria-label={t.aroundLabel}
              value={String(search.around ?? 0)}
              onChange={(event) => onSearch({ around: Number(event.currentTarget.value) || undefined })}
            >
              {[0, 2, 5, 10].map((count) => (
                <option key={count} value={String(count)}>
                  {t.around(count)}
                </option>
              ))}
            </Select>
          )}
        </>
      )}
      {isBroken && (
        <p role="alert" className="text-sm text-bad">
          {t.noExpression}
        </p>
      )}
    </div>
  );
}

interface FlagProps {
  label: string;
  isOn: boolean;
  onChange: (on: boolean) => void;
  children: string;
}

function Flag({ label, isOn, onChange, children }: FlagProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-pressed={isOn}
      onClick={() => onChange(!isOn)}
      className={cn(
        "flex h-6 min-w-6 items-center justify-center rounded px-1 font-mono text-xs",
        isOn ? "bg-accent-soft text-accent" : "text-muted hover:bg-hover",
      )}
    >
      {children}
    </button>
  );
}

function TimeField({ atUs, onJump }: { atUs: number | null; onJump: (atUs: number) => void }) {
  const t = useMessages(messages);
  const [isOpen, setIsOpen] = useState(false);
  const [value, setValue] = useState("");
  if (!isOpen) {
    return (
      <Button
        isIcon
        aria-label={t.jump}
        title={t.jump}
        onClick={() => {
          setValue(inputOfMoment(atUs ?? Date.now() * 1_000));
          setIsOpen(true);
        }}
      >
        <Clock aria-hidden className="size-4" />
      </Button>
    );
  }
  return (
    <form
      className="flex items-center gap-1"
      onSubmit={(event) => {
        event.preventDefault();
        const moment = momentOfInput(value);
        setIsOpen(false);
        if (moment !== null) onJump(moment);
      }}
    >
      <Input
        type="datetime-local"
        step="1"
        aria-label={t.jump}
        autoFocus
        value={value}
        onInput={(event) => setValue(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && setIsOpen(false)}
      />
      <Button type="submit">{t.go}</Button>
    </form>
  );
}

function Notices({ model }: { model: LogModel }) {
  const say = useSentences();
  const t = useMessages(messages);
  const notes = [
    ...model.problems.map((each) => t.hostSilent(each.node_name, say(each.reason))),
    ...model.notes.map(say),
    ...model.ended,
    ...(model.missed > 0 ? [t.missed(model.missed)] : []),
  ];
  if (notes.length === 0) return null;
  return (
    <ul role="status" className="border-b border-line px-3 py-1.5 text-sm text-warn">
      {[...new Set(notes)].slice(0, 4).map((note) => (
        <li key={note} className="flex items-start gap-2">
          <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
          <span className="min-w-0 break-words">{note}</span>
        </li>
      ))}
    </ul>
  );
}

interface BodyProps extends Pick<LogViewerProps, "search" | "onSearch"> {
  model: LogModel;
  look: Look;
  expression: RegExp | null;
  isFollowing: boolean;
  follow: (on: boolean) => void;
  around: (entry: Entry) => void;
  only: (entry: Entry) => void;
  linkTo: (entry: Entry) => string;
}

function Body({
  model,
  search,
  onSearch,
  look,
  expression,
  isFollowing,
  follow,
  around,
  only,
  linkTo,
}: BodyProps) {
  const t = useMessages(messages);
  if (model.phase === "failed") {
    return (
      <div className="flex-1">
        <Failed error={model.error} onRetry={() => model.reload()} />
      </div>
    );
  }
  if (model.phase === "loading") return <Loading label={t.loading} rows={12} className="flex-1" />;
  if (model.rows.length === 0) {
    const isFiltered = search.q !== undefined || search.level !== undefined || search.stream !== undefined;
    return (
      <div className="flex flex-1 flex-col items-center justify-center">
        <Empty icon={<ScrollText className="size-5" />} title={isFiltered ? t.emptyMatches : t.empty}>
          {isFiltered ? t.emptyMatchesText : t.emptyText}
        </Empty>
        {isFiltered && (
          <Button
            onClick={() => onSearch({ q: undefined, level: undefined, stream: undefined, only: undefined })}
          >
            {t.clearFilters}
          </Button>
        )}
      </div>
    );
  }
  return (
    <LogLines
      model={model}
      look={look}
      expression={expression}
      selected={search.line}
      onSelect={(line) => onSearch({ line }, { replace: true })}
      isFollowing={isFollowing}
      onFollowing={follow}
      onAround={around}
      onOnly={only}
      linkTo={linkTo}
    />
  );
}

function StateLine({ model, isFollowing }: { model: LogModel; isFollowing: boolean }) {
  const t = useMessages(messages);
  const phase = model.phase === "live" && !isFollowing ? "paused" : model.phase;
  const rate = model.rate(performance.now());
  return (
    <>
      <Badge tone={PHASE_TONE[phase]}>{t.phase[phase] ?? phase}</Badge>
      <span className="tabular">{t.count(model.buffer.entries.length)}</span>
      {model.phase === "live" && (
        <span className="tabular max-sm:hidden">{t.rate(formatCount(Math.round(rate)))}</span>
      )}
    </>
  );
}

/** Going from one line that has what is looked for to the next, also to those that are not held. */
function useFinding(
  model: LogModel,
  filter: Wish["filter"],
  expression: RegExp | null,
  fields: readonly string[],
  search: LogsSearch,
  onSearch: LogViewerProps["onSearch"],
  pause: () => void,
) {
  const t = useMessages(messages);
  const [note, setNote] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was said is of what was looked for
  useEffect(() => setNote(""), [filter.text]);
  const go = (wanted: 1 | -1) => {
    let step = wanted;
    if (expression === null) return;
    const { entries } = model.buffer;
    const chosen = parsePlace(search.line);
    // From nowhere to the newest one, whichever way.
    if (chosen === null) step = -1;
    const from = chosen === null ? entries.length : entries.findIndex((entry) => isAt(entry, chosen));
    for (let index = from + step; index >= 0 && index < entries.length; index += step) {
      const entry = entries[index];
      if (entry === undefined || entry.stream === "event") continue;
      if (hasMatch(shownText(entry, fields), expression) || hasMatch(readingOf(entry).plain, expression)) {
        pause();
        setNote("");
        onSearch({ line: placeOf(entry) }, { replace: true });
        return;
      }
    }
    setNote(t.looking);
    model.findBeyond(filter, step < 0).then(
      (atUs) => {
        setNote(atUs === null ? t.noMatch : "");
        if (atUs !== null) onSearch({ at: atUs, line: undefined });
      },
      (error: unknown) => setNote(errorWords(error)),
    );
  };
  return { note, go };
}
