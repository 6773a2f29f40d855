import { describe, expect, it } from "vitest";
import type { SettingsView } from "@/api/openapi";
import { bytesIn, bytesText, numberIn } from "@/lib/amounts";
import { mayHere } from "./can-here";
import { parseContainerSearch } from "./container-search";
import { describedIn, momentIn } from "./described";
import { type ExecEnd, execUrl, openExec, wordsOf } from "./exec-socket";
import { crumbsOf, joined, parentOf, permissionsOf } from "./file-paths";
import { jsonLines, pathOf } from "./json-lines";
import { type LimitsDraft, limitChanges } from "./limits-draft";
import { changesOf, type Draft, draftOf, isFault, parseMount, parsePort } from "./recreate-draft";

describe("what may be done here", () => {
  const somewhere = (action: string) => action === "container.restart";

  it("is what may be done to some container until the server has said it of this one", () => {
    expect(mayHere("container.restart", undefined, somewhere)).toBe(true);
    expect(mayHere("container.exec", undefined, somewhere)).toBe(false);
  });

  it("is then no more and no less than that", () => {
    expect(mayHere("container.restart", ["container.read"], somewhere)).toBe(false);
    expect(mayHere("container.exec", ["container.exec"], somewhere)).toBe(true);
  });
});

describe("paths of files", () => {
  it("lead from the root to a directory and back", () => {
    expect(crumbsOf("/var/lib").map(({ path }) => path)).toEqual(["/", "/var", "/var/lib"]);
    expect(crumbsOf("/")).toHaveLength(1);
    expect(joined("/", "etc")).toBe("/etc");
    expect(joined("/etc", "passwd")).toBe("/etc/passwd");
    expect(parentOf("/etc")).toBe("/");
    expect(parentOf("/a/b/c")).toBe("/a/b");
  });

  it("show permissions as ls does", () => {
    expect(permissionsOf("0755")).toBe("rwxr-xr-x");
    expect(permissionsOf("4755")).toBe("rwsr-xr-x");
    expect(permissionsOf("1777")).toBe("rwxrwxrwt");
    expect(permissionsOf("2640")).toBe("rw-r-S---");
  });
});

describe("amounts", () => {
  it("are read as people type them", () => {
    expect(bytesIn("512m")).toBe(512 * 1024 ** 2);
    expect(bytesIn("1.5 GiB")).toBe(1.5 * 1024 ** 3);
    expect(bytesIn("1,5g")).toBe(1.5 * 1024 ** 3);
    expect(bytesIn("2048")).toBe(2048);
    expect(bytesIn("much")).toBeNull();
    expect(numberIn("0,5")).toBe(0.5);
    expect(numberIn("")).toBeNull();
  });

  it("are written so that they are read back the same", () => {
    for (const bytes of [1000, 64 * 1024 ** 2, 1024 ** 3, 1536 * 1024 ** 2]) {
      expect(bytesIn(bytesText(bytes))).toBe(bytes);
    }
    expect(bytesText(null)).toBe("");
  });
});

describe("limits that are typed", () => {
  const kept: LimitsDraft = {
    memory: "512m",
    reservation: "",
    cpus: "",
    shares: "",
    pids: "100",
    restart: "no",
    restartsMax: "0",
  };

  it("are sent only where they differ", () => {
    expect(limitChanges(kept, kept)).toEqual({ changes: {}, faults: {} });
    expect(limitChanges(kept, { ...kept, memory: "1g", pids: "" }).changes).toEqual({
      memory_bytes: 1024 ** 3,
      pids: 0,
    });
    expect(limitChanges(kept, { ...kept, restart: "on-failure", restartsMax: "3" }).changes).toEqual({
      restart_policy: "on-failure",
      restarts_max: 3,
    });
  });

  it("say what is wrong with them", () => {
    expect(limitChanges(kept, { ...kept, memory: "" }).faults).toEqual({ memory: "removed" });
    expect(limitChanges(kept, { ...kept, memory: "1m" }).faults).toEqual({ memory: "small" });
    expect(limitChanges(kept, { ...kept, memory: "x" }).faults).toEqual({ memory: "amount" });
    expect(limitChanges(kept, { ...kept, cpus: "0" }).faults).toEqual({ cpus: "number" });
    expect(limitChanges(kept, { ...kept, pids: "1.5" }).faults).toEqual({ pids: "number" });
  });
});

describe("a container made anew", () => {
  const settings: SettingsView = {
    container_id: "c1",
    name: "web",
    image: "shop/web:1",
    command: ["serve", "--port", "80"],
    entrypoint: [],
    environment: ["LEVEL", "SECRET"],
    labels: { team: "shop", tier: "web" },
    ports: [{ container_port: 80, protocol: "tcp", host_ip: "127.0.0.1", host_port: 8080 }],
    mounts: [{ kind: "volume", source: "data", target: "/data", read_only: true }],
    limits: {
      memory_bytes: null,
      memory_reservation_bytes: null,
      cpus: null,
      cpu_shares: null,
      pids: null,
      restart_policy: "no",
      restarts_max: 0,
    },
    is_running: true,
    refusal: "",
  };
  const draft = draftOf(settings);
  const changed = (next: Partial<Draft>) => changesOf(settings, { ...draft, ...next });

  it("is asked for what differs and nothing else", () => {
    expect(changed({})).toEqual({});
    expect(changed({ image: "shop/web:2" })).toEqual({ image: "shop/web:2" });
    expect(changed({ command: "" })).toEqual({ command: [] });
    expect(changed({ labels: "team=shop\nnew=a=b" })).toEqual({ labels: { tier: null, new: "a=b" } });
    expect(changed({ ports: "" })).toEqual({ ports: [] });
  });

  it("keeps the values of variables that nobody touched, which the page does not know", () => {
    const [level, secret] = draft.variables;
    if (level === undefined || secret === undefined) throw new Error("there are two");
    expect(changed({ variables: [{ ...level, value: "debug" }, secret] })).toEqual({
      variables: { LEVEL: "debug" },
    });
    expect(changed({ variables: [level, { ...secret, isRemoved: true }] })).toEqual({
      variables: { SECRET: null },
    });
    const odd = changed({ variables: [{ name: "A=B", value: "", isRemoved: false, isNew: true }] });
    expect(isFault(odd)).toBe(true);
  });

  it("names the line that means nothing", () => {
    expect(changed({ ports: "8080:80\nnonsense" })).toEqual({ field: "ports", text: "nonsense" });
    expect(changed({ mounts: "data:relative" })).toEqual({ field: "mounts", text: "data:relative" });
    expect(changed({ labels: "=x" })).toEqual({ field: "labels", text: "=x" });
  });

  it("reads ports and mounts as they are written for Docker", () => {
    expect(parsePort("80")).toMatchObject({ container_port: 80, host_port: 0, host_ip: "" });
    expect(parsePort("127.0.0.1:5432:5432")).toMatchObject({ host_ip: "127.0.0.1", host_port: 5432 });
    expect(parsePort("[::1]:53:53/udp")).toMatchObject({ host_ip: "::1", protocol: "udp" });
    expect(parsePort("70000")).toBeNull();
    expect(parseMount("/srv:/data:ro")).toMatchObject({ kind: "bind", read_only: true });
    expect(parseMount("tmpfs:/run")).toMatchObject({ kind: "tmpfs", target: "/run" });
    expect(parseMount("data:/x:zz")).toBeNull();
  });
});

describe("the engine's description as a tree", () => {
  const root = { Config: { Env: ["A=1"], Labels: { "a.b": "c" } }, Id: "abc", Empty: [] };

  it("shows two levels until more is opened", () => {
    const paths = jsonLines(root, new Set()).map(({ path }) => path);
    expect(paths).toEqual([
      ".Config",
      ".Config.Env",
      ".Config.Env[0]",
      ".Config.Labels",
      '.Config.Labels["a.b"]',
      ".Id",
      ".Empty",
    ]);
    expect(jsonLines(root, new Set([".Config"])).map(({ path }) => path)).toEqual([
      ".Config",
      ".Id",
      ".Empty",
    ]);
  });

  it("shows only the way to what is looked for", () => {
    expect(jsonLines(root, new Set(), "a.b").map(({ path }) => path)).toEqual([
      ".Config",
      ".Config.Labels",
      '.Config.Labels["a.b"]',
    ]);
    expect(jsonLines(root, new Set(), "nothing")).toEqual([]);
  });

  it("names places as jq does", () => {
    expect(pathOf(".a", "b-c")).toBe('.a["b-c"]');
    expect(pathOf(".a", 3)).toBe(".a[3]");
  });
});

describe("the engine's description in words", () => {
  it("does without what an engine leaves out", () => {
    expect(describedIn({})).toMatchObject({ command: "", restarts: 0, mounts: [], environment: [] });
    expect(momentIn("0001-01-01T00:00:00Z")).toBeNull();
  });

  it("sorts variables and takes them apart at the first equals sign", () => {
    const { environment } = describedIn({ Config: { Env: ["B=1=2", "A="] } });
    expect(environment).toEqual([
      { name: "A", value: "" },
      { name: "B", value: "1=2" },
    ]);
  });
});

describe("what the address keeps of a container's page", () => {
  it("is only what the page understands", () => {
    expect(parseContainerSearch({ tab: "files", path: "/etc", span: "6h" })).toMatchObject({
      tab: "files",
      path: "/etc",
      span: "6h",
    });
    expect(parseContainerSearch({ tab: "x", path: "etc" })).toMatchObject({
      tab: undefined,
      path: undefined,
    });
  });
});

class FakeSocket {
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = 1;
  binaryType = "";
  sent: unknown[] = [];
  onopen: () => void = () => {};
  onmessage: (event: { data: unknown }) => void = () => {};
  onclose: (event: { code: number }) => void = () => {};

  constructor(readonly url: string) {
    FakeSocket.last = this;
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.onclose({ code: 1000 });
  }
}

describe("a terminal's connection", () => {
  function opened() {
    const ends: ExecEnd[] = [];
    const output: string[] = [];
    const session = openExec(
      "wss://h/x",
      { command: ["sh"], user: "1000", columns: 80, rows: 24 },
      {
        onBegun: () => output.push("begun"),
        onOutput: (data) => output.push(new TextDecoder().decode(data)),
        onEnd: (end) => ends.push(end),
      },
      FakeSocket as unknown as typeof WebSocket,
    );
    FakeSocket.last.onopen();
    return { session, socket: FakeSocket.last, ends, output };
  }

  it("says what is to run before anything else, and nothing of it in the address", () => {
    const { socket } = opened();
    expect(JSON.parse(String(socket.sent[0]))).toMatchObject({ command: ["sh"], user: "1000", tty: true });
    expect(execUrl("https://h:7443/containers/a/b", "n1", "c1")).toBe(
      "wss://h:7443/api/v1/containers/c1/exec?node=n1",
    );
  });

  it("gives output without the byte that says which it is, and ends once", () => {
    const { socket, ends, output } = opened();
    socket.onmessage({ data: '{"begun":{}}' });
    socket.onmessage({ data: new Uint8Array([1, 104, 105]).buffer });
    socket.onmessage({ data: '{"exit_code":3}' });
    socket.onclose({ code: 1000 });
    expect(output).toEqual(["begun", "hi"]);
    expect(ends).toEqual([{ kind: "exited", code: 3 }]);
  });

  it("tells why there was none, and that it broke off", () => {
    const refused = opened();
    refused.socket.onmessage({ data: '{"problem":{"detail":"no shell","hint":"name a command"}}' });
    expect(refused.ends).toEqual([{ kind: "problem", text: "no shell. name a command" }]);
    const lost = opened();
    lost.socket.onclose({ code: 1006 });
    expect(lost.ends).toEqual([{ kind: "closed", code: 1006 }]);
  });

  it("says nothing of an end that was asked for", () => {
    const { session, ends } = opened();
    session.close();
    expect(ends).toEqual([]);
  });
});

describe("a command that is typed", () => {
  it("is taken apart as a shell would", () => {
    expect(wordsOf(`sh -c 'echo "a b"' c\\ d ""`)).toEqual(["sh", "-c", 'echo "a b"', "c d", ""]);
    expect(wordsOf("   ")).toEqual([]);
    expect(wordsOf("echo 'open")).toBeNull();
  });
});
