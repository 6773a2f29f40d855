import type { RoomView } from "@/api/openapi";
import { Meter } from "@/components/meter";
import { Badge } from "@/components/ui/badge";
import { formatBytes, formatPercent, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { formatValue } from "@/lib/units";
import { messages } from "./messages";

interface RoomsProps {
  rooms: readonly RoomView[];
  together: RoomView | null;
  /** What they are like without a what-if, to show the difference. */
  before?: readonly RoomView[];
}

/** The room of each host: how much of it is used and reserved. */
export function Rooms({ rooms, together, before = [] }: RoomsProps) {
  const t = useMessages(messages);
  const all = together === null ? rooms : [...rooms, { ...together, name: t.all }];
  return (
    <ul className="divide-y divide-line">
      {all.map((room) => (
        <li
          key={room.node_id}
          className="grid grid-cols-1 gap-x-6 gap-y-2 px-4 py-3 text-sm sm:grid-cols-[minmax(7rem,1fr)_minmax(0,2fr)_minmax(0,2fr)]"
        >
          <div className="flex items-center gap-2">
            <span className="min-w-0 truncate font-medium">{room.name}</span>
            <Badge tone={room.is_comfortable ? "neutral" : "warn"}>
              {room.is_comfortable ? t.comfortable : t.tight}
            </Badge>
          </div>
          <Part
            label={t.cpu}
            room={room}
            part="cpu_cores"
            before={before.find(({ node_id }) => node_id === room.node_id)}
          />
          <Part
            label={t.memory}
            room={room}
            part="memory_bytes"
            before={before.find(({ node_id }) => node_id === room.node_id)}
          />
        </li>
      ))}
    </ul>
  );
}

type PartName = "cpu_cores" | "memory_bytes";

interface PartProps {
  label: string;
  room: RoomView;
  part: PartName;
  before: RoomView | undefined;
}

const TIGHT_PERCENT = 85;
const NEARLY_PERCENT = 70;

function Part({ label, room, part, before }: PartProps) {
  const t = useMessages(messages);
  const format = (value: number | null) =>
    value === null ? UNKNOWN : part === "memory_bytes" ? formatBytes(value) : t.cores(formatValue(value, ""));
  const percent = room.used_percent[part];
  const was = before?.used_percent[part];
  const tone =
    percent === null
      ? "neutral"
      : percent > TIGHT_PERCENT
        ? "bad"
        : percent > NEARLY_PERCENT
          ? "warn"
          : "accent";
  const reserved = room.reserved[part];
  const isMoved = was != null && percent !== null && Math.abs(was - percent) >= 0.5;
  return (
    <div className="min-w-0">
      <p className="tabular flex items-baseline justify-between gap-2">
        <span className="text-muted">{label}</span>
        <span>
          {isMoved && <span className="text-muted">{formatPercent(was)} → </span>}
          {formatPercent(percent)}
        </span>
      </p>
      <Meter share={(percent ?? 0) / 100} tone={tone} label={`${room.name}: ${label}`} className="my-1" />
      <p className="tabular text-xs text-muted">
        {t.usedOf(format(room.used[part]), format(room.size[part]))}
        {reserved !== null && reserved > 0 && ` · ${t.reserved(format(reserved))}`}
      </p>
    </div>
  );
}
