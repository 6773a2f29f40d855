import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CornerLeftUp, Download, File as FileIcon, Folder, FolderOpen, Link2, Upload } from "lucide-react";
import { type DragEvent, type FormEvent, useEffect, useRef, useState } from "react";
import type { ContainerView, FileView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Input } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { formatBytes, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useCanHere } from "./can-here";
import { contentUrl, filesQuery, upload } from "./container-queries";
import type { ContainerSearch } from "./container-search";
import { crumbsOf, joined, parentOf, permissionsOf } from "./file-paths";
import { messages } from "./messages";

interface FilesTabProps {
  container: ContainerView;
  search: ContainerSearch;
  onSearch: (next: Partial<ContainerSearch>) => void;
}

/** The files of a container, running or not: looking, taking along, putting there. */
export default function FilesTab({ container, search, onSearch }: FilesTabProps) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const client = useQueryClient();
  const path = search.path ?? "/";
  const query = useQuery(filesQuery(container, path));
  const picker = useRef<HTMLInputElement>(null);
  const [replacing, setReplacing] = useState<File | null>(null);
  const open = (next: string) => onSearch({ path: next === "/" ? undefined : next });
  const uploading = useMutation({
    mutationFn: (file: File) => upload(container, joined(path, file.name), file),
    onSuccess: (_, file) => showDone(t.uploaded(file.name), joined(path, file.name)),
    onSettled: () => {
      setReplacing(null);
      void client.invalidateQueries({ queryKey: filesQuery(container, path).queryKey });
    },
  });
  const mayWrite = can("container.write-files");
  const put = (file: File | undefined) => {
    if (file === undefined || !mayWrite) return;
    const isThere = query.data?.files.some((each) => each.name === file.name);
    if (isThere) setReplacing(file);
    else uploading.mutate(file);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    put(event.dataTransfer.files[0]);
  };
  return (
    <Section
      title={t.filesOf}
      note={query.data === undefined ? undefined : t.count(query.data.files.length)}
      actions={
        <>
          {mayWrite && (
            <>
              <input
                ref={picker}
                type="file"
                hidden
                onChange={(event) => {
                  put(event.currentTarget.files?.[0]);
                  event.currentTarget.value = "";
                }}
              />
              <Button onClick={() => picker.current?.click()} disabled={uploading.isPending}>
                <Upload aria-hidden className="size-3.5" />
                {t.upload}
              </Button>
            </>
          )}
          <a
            href={contentUrl(container, path)}
            download
            className="inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-surface px-3 text-sm font-medium hover:bg-hover pointer-coarse:h-10"
          >
            <Download aria-hidden className="size-3.5" />
            {t.downloadHere}
          </a>
        </>
      }
    >
      <Way path={path} onOpen={open} />
      <p role="status" className="sr-only">
        {uploading.isPending ? t.uploading(uploading.variables.name) : ""}
      </p>
      <Card className="overflow-x-auto">
        {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one more way; the button is for everybody */}
        <div onDragOver={(event) => mayWrite && event.preventDefault()} onDrop={drop}>
          <Loaded query={query} loading={<Loading label={t.filesOf} rows={10} />}>
            {({ files, incomplete }) => (
              <>
                {incomplete !== "" && (
                  <p role="status" className="border-b border-line px-4 py-2 text-sm text-warn">
                    {incomplete}
                  </p>
                )}
                {files.length === 0 && path === "/" ? (
                  <Empty icon={<FolderOpen className="size-5" />} title={t.emptyDirectory}>
                    {t.emptyDirectoryText}
                  </Empty>
                ) : (
                  <FileTable container={container} path={path} files={files} onOpen={open} />
                )}
              </>
            )}
          </Loaded>
        </div>
      </Card>
      {mayWrite && <p className="mt-2 text-xs text-muted">{t.dropHere}</p>}
      {replacing !== null && (
        <Confirm
          title={t.replaceTitle(replacing.name)}
          verb={t.replace}
          isDangerous
          isPending={uploading.isPending}
          onConfirm={() => uploading.mutate(replacing)}
          onCancel={() => setReplacing(null)}
        >
          <p>{t.replaceText}</p>
        </Confirm>
      )}
    </Section>
  );
}

/** Where one is: each part a button, and the whole to be typed. */
function Way({ path, onOpen }: { path: string; onOpen: (path: string) => void }) {
  const t = useMessages(messages);
  const [typed, setTyped] = useState(path);
  useEffect(() => setTyped(path), [path]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const next = typed.trim().replace(/(.)\/+$/, "$1");
    if (next.startsWith("/")) onOpen(next);
  };
  return (
    <div className="mb-2 flex flex-wrap items-center gap-x-3 gap-y-2">
      <nav
        aria-label={t.path}
        className="flex min-w-0 flex-1 flex-wrap items-center gap-0.5 font-mono text-xs"
      >
        {crumbsOf(path).map((crumb, place, all) => (
          <span key={crumb.path} className="flex items-center gap-0.5">
            {place > 1 && (
              <span aria-hidden className="text-muted">
                /
              </span>
            )}
            <button
              type="button"
              onClick={() => onOpen(crumb.path)}
              aria-current={place === all.length - 1 ? "location" : undefined}
              className="min-h-6 min-w-6 rounded px-1 py-0.5 hover:bg-hover aria-[current]:font-semibold pointer-coarse:py-2"
            >
              {crumb.name}
            </button>
          </span>
        ))}
      </nav>
      <form onSubmit={submit} className="flex min-w-0 gap-2">
        <Input
          aria-label={t.path}
          value={typed}
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => setTyped(event.currentTarget.value)}
          className="w-56 min-w-0 font-mono text-xs"
        />
        <Button type="submit">{t.goTo}</Button>
      </form>
    </div>
  );
}

interface FileTableProps {
  container: ContainerView;
  path: string;
  files: readonly FileView[];
  onOpen: (path: string) => void;
}

const SHOWN_MAX = 2_000;

function FileTable({ container, path, files, onOpen }: FileTableProps) {
  const t = useMessages(messages);
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="text-left text-xs text-muted">
          <th scope="col" className="h-8 w-full px-4 font-medium">
            {t.name}
          </th>
          <th scope="col" className="h-8 px-3 text-right font-medium">
            {t.size}
          </th>
          <th scope="col" className="hidden h-8 px-3 font-medium sm:table-cell">
            {t.mode}
          </th>
          <th scope="col" className="hidden h-8 px-3 font-medium md:table-cell">
            {t.changed}
          </th>
          <th className="h-8 w-10 px-2">
            <span className="sr-only">{t.download("")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {path !== "/" && (
          <tr className="border-t border-line">
            <td colSpan={5} className="px-4 py-1">
              <button
                type="button"
                onClick={() => onOpen(parentOf(path))}
                className="inline-flex items-center gap-2 py-1 text-muted hover:text-text"
              >
                <CornerLeftUp aria-hidden className="size-4" />
                {t.up1}
              </button>
            </td>
          </tr>
        )}
        {files.slice(0, SHOWN_MAX).map((file) => (
          <FileRow key={file.name} container={container} path={path} file={file} onOpen={onOpen} />
        ))}
      </tbody>
    </table>
  );
}

const ICONS = { directory: Folder, symlink: Link2 } as const;

function FileRow({ container, path, file, onOpen }: Omit<FileTableProps, "files"> & { file: FileView }) {
  const t = useMessages(messages);
  const place = joined(path, file.name);
  const Icon = file.kind === "directory" || file.kind === "symlink" ? ICONS[file.kind] : FileIcon;
  const isOpened = file.kind === "directory" || file.kind === "symlink";
  const isTaken = file.kind === "directory" || file.kind === "symlink" || file.kind === "file";
  const name = (
    <>
      <Icon aria-hidden className="size-4 shrink-0 text-muted" />
      <span className="min-w-0 break-all">{file.name}</span>
    </>
  );
  return (
    <tr className="border-t border-line">
      <th scope="row" className="px-4 py-1 text-left font-normal">
        <span className="flex flex-wrap items-center gap-x-2">
          {isOpened ? (
            <button
              type="button"
              onClick={() => onOpen(place)}
              className="inline-flex min-w-0 items-center gap-2 py-1 text-left hover:underline"
            >
              {name}
            </button>
          ) : (
            <span className="inline-flex min-w-0 items-center gap-2 py-1">{name}</span>
          )}
          {file.kind === "symlink" && file.link_target !== "" && (
            <span className="font-mono text-xs break-all text-muted">{t.leadsTo(file.link_target)}</span>
          )}
          {!isTaken && <span className="text-xs text-muted">{t.kinds[file.kind]}</span>}
        </span>
      </th>
      <td className="tabular px-3 py-1 text-right whitespace-nowrap text-muted">
        {file.kind === "file" ? formatBytes(file.size_bytes) : ""}
      </td>
      <td
        className="hidden px-3 py-1 font-mono text-xs whitespace-nowrap text-muted sm:table-cell"
        title={file.mode}
      >
        {permissionsOf(file.mode)}
      </td>
      <td className="tabular hidden px-3 py-1 whitespace-nowrap text-muted md:table-cell">
        {file.modified_at_ms === 0 ? "" : formatMoment(file.modified_at_ms)}
      </td>
      <td className="px-2 py-1">
        {isTaken && (
          <a
            href={contentUrl(container, place)}
            download
            aria-label={t.download(file.name)}
            title={t.download(file.name)}
            className="inline-flex size-8 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-text pointer-coarse:size-10"
          >
            <Download aria-hidden className="size-4" />
          </a>
        )}
      </td>
    </tr>
  );
}
