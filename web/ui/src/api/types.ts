/** What the REST interface answers with. Times are Unix epoch milliseconds unless a name says otherwise. */

export type Role = "viewer" | "operator" | "admin";

export interface MeView {
  principal_id: string;
  name: string;
  role: Role;
  permissions: string[];
  csrf_token: string | null;
}

export interface SetupView {
  is_needed: boolean;
}

export interface HealthView {
  status: string;
  node_id: string;
  version: string;
  leader_id: string | null;
  applied_index: number;
  age_ms: number | null;
}

export interface QuorumView {
  voters: number;
  healthy: number;
  can_lose: number;
  advice: string;
}

export type NodeStatus = "up" | "suspect" | "down" | "left";

export interface FactsView {
  hostname: string;
  os_name: string;
  os_version: string;
  kernel: string;
  arch: string;
  cpu_count: number;
  memory_bytes: number;
  disk_bytes: number;
  docker_version: string;
  agent_version: string;
  labels: Record<string, string>;
}

export interface ContainerCount {
  running: number;
  total: number;
}

export interface NodeView {
  id: string;
  name: string;
  role: "voter" | "learner";
  status: NodeStatus;
  status_reason: string;
  is_draining: boolean;
  is_leader: boolean;
  is_self: boolean;
  address: string;
  api_address: string;
  joined_at_ms: number;
  lag: number | null;
  facts: FactsView;
  containers: ContainerCount | null;
  cpu_percent: number | null;
  memory_bytes: number | null;
  last_seen_ms: number | null;
  problem: string;
}

export interface ClusterView {
  cluster_id: string;
  name: string;
  node_id: string;
  version: string;
  leader_id: string | null;
  term: number;
  commit_index: number;
  applied_index: number;
  age_ms: number | null;
  quorum: QuorumView;
  nodes: NodeView[];
  disk_full: string | null;
}

export interface PortView {
  container_port: number;
  protocol: string;
  host_ip: string;
  host_port: number;
}

export interface ContainerView {
  id: string;
  name: string;
  image: string;
  state: string;
  status: string;
  health: string;
  created_at_ms: number;
  project: string;
  service: string;
  revision: number;
  is_managed: boolean;
  ports: PortView[];
  labels: Record<string, string>;
  cpu_percent: number | null;
  memory_bytes: number | null;
  memory_limit_bytes: number | null;
  node_id: string;
  node_name: string;
  age_ms: number | null;
}

export interface HostProblem {
  node_id: string;
  node_name: string;
  reason: string;
}

export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

export interface ContainerPage extends Page<ContainerView> {
  problems: HostProblem[];
}

/** What was done. `note` says what is going to happen by itself. */
export interface ContainerActed {
  id: string;
  name: string;
  node_id: string;
  node_name: string;
  action: string;
  note: string;
}

export type ContainerVerb = "start" | "stop" | "restart" | "pause" | "unpause" | "kill";

export type RolloutPhase =
  | "running"
  | "paused"
  | "rolling-back"
  | "succeeded"
  | "rolled-back"
  | "failed"
  | "cancelled";

export interface RolloutView {
  id: string;
  service_id: string;
  from_revision: number;
  to_revision: number;
  phase: RolloutPhase;
  reason: string;
  progress: string;
  replicas_done: number;
  replicas_total: number;
  started_at_ms: number;
  changed_at_ms: number;
}

export interface RouteView {
  host: string;
  port: number;
  url: string | null;
}

export interface ServiceView {
  id: string;
  project: string;
  name: string;
  image: string;
  replicas: number;
  serving: number;
  revision: number;
  stable_revision: number;
  is_removed: boolean;
  route: RouteView | null;
  rollout: RolloutView | null;
  changed_at_ms: number;
}

export interface AuditEntryView {
  sequence: number;
  time_ms: number;
  principal_name: string;
  action: string;
  resource: string;
  outcome: "applied" | "rejected" | "denied" | "failed";
  reason: string;
  count: number;
}

export interface LiveSeries {
  subject: string;
  metric: string;
  values: (number | null)[];
}

export interface HostLive {
  node_id: string;
  times_ms: number[];
  series: LiveSeries[];
}

export interface LogLine {
  stream: "stdout" | "stderr";
  at_ms: number;
  text: string;
}

/** One thing that is wrong with what was sent. */
export interface ProblemFinding {
  field: string;
  value: string | number | boolean | null;
  rule: string;
  hint: string;
}

/** RFC 9457. `type` ends in the kind: `urn:tower:problem:forbidden`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  request_id?: string;
  hint?: string;
  errors?: ProblemFinding[];
}
