import type { ContainerView, SeriesView } from "@/api/openapi";
import { Sparkline } from "@/components/sparkline";
import { cn } from "@/lib/cn";
import { formatBytes, formatPercent } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface NumberCellProps {
  container: ContainerView;
  course: SeriesView | undefined;
  className?: string;
}

/** CPU now, and its last ten minutes. A container that uses less than a tenth of a core draws a low line. */
export function CpuCell({ container, course, className }: NumberCellProps) {
  const now = formatPercent(container.cpu_percent);
  return (
    <span className={cn("tabular inline-flex items-center justify-end gap-2 align-middle", className)}>
      <CpuCourse container={container} course={course} />
      <span className="min-w-[6ch]">{now}</span>
    </span>
  );
}

/** The last ten minutes of CPU alone. */
export function CpuCourse({ container, course }: NumberCellProps) {
  const t = useMessages(messages);
  if (course === undefined) return null;
  return (
    <Sparkline
      values={course.values}
      topMin={10}
      label={t.cpuCourse(formatPercent(container.cpu_percent))}
      className="h-4 w-14 shrink-0 text-series-1"
    />
  );
}

/** Memory now, and its last ten minutes; against its limit, where it has one. */
export function MemoryCell({ container, course, className }: NumberCellProps) {
  const t = useMessages(messages);
  const now = formatBytes(container.memory_bytes);
  const limit = container.memory_limit_bytes;
  return (
    <span
      title={limit === null ? undefined : t.ofLimit(formatBytes(limit))}
      className={cn("tabular inline-flex items-center justify-end gap-2 align-middle", className)}
    >
      {course !== undefined && (
        <Sparkline
          values={course.values}
          top={limit}
          label={t.memoryCourse(now)}
          className="h-4 w-14 shrink-0 text-series-2"
        />
      )}
      <span className="min-w-[8ch]">{now}</span>
    </span>
  );
}
