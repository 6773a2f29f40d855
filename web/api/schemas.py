"""What the interface takes: bodies and query parameters. What it gives is in `web.tools.views`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cluster.commands.nodes import MAINTENANCE_MAX_MS
from cluster.model.access import Role
from cluster.model.secrets import PASSWORD_BYTES_MAX
from cluster.model.service import REPLICAS_MAX
from cluster.model.strategy import WHOLE_PERMILLE, Colour, Strategy
from web.tools.listing import LIMIT_DEFAULT, LIMIT_MAX
from web.tools.secrets import GENERATED_BYTES_MAX, GENERATED_BYTES_MIN
from web.tools.toolsets import Toolset

PASSWORD_CHARACTERS_MAX = PASSWORD_BYTES_MAX // 4

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
TokenText = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_CONTROL)]
FilterText = Annotated[str, StringConstraints(max_length=256, pattern=_NO_CONTROL)]
Reason = Annotated[str, StringConstraints(max_length=1024, pattern=_NO_CONTROL)]


class Schema(BaseModel):
    """Unknown fields are refused: a misspelt one would otherwise be ignored in silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)


class PageQuery(Schema):
    """Where a list goes on, and how much of it to give."""

    cursor: str | None = Field(default=None, description="next_cursor of the page before")
    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX)


class SetupBody(Schema):
    """The first administrator, with the one-time token of `tower init`."""

    token: TokenText
    name: Name
    password: Password


class LoginBody(Schema):
    """Name and password. Mode "cookie" is for browsers, "token" for programs."""

    name: Name
    password: Password
    mode: Literal["cookie", "token"] = "cookie"


class LoginCodeBody(Schema):
    """The challenge of a login and a code: of the authenticator, or a recovery code.

    `enrolment` is the ticket of a new authenticator, where the challenge came with one.
    """

    challenge: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(repr=False)
    code: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(repr=False)
    enrolment: Annotated[str, StringConstraints(max_length=4096)] | None = Field(default=None, repr=False)
    mode: Literal["cookie", "token"] = "cookie"


class RefreshBody(Schema):
    """A program's refresh token; a browser's is in its cookie."""

    refresh_token: TokenText | None = None


class TransferBody(Schema):
    """Who is to lead; null: the voter that is furthest."""

    node_id: Reference | None = None


class DrainBody(Schema):
    """True to empty the host, false to end that."""

    draining: bool


class MaintenanceBody(Schema):
    """How long the host may be away from now on; 0 ends that."""

    duration_s: int = Field(ge=0, le=MAINTENANCE_MAX_MS // 1000)
    reason: Annotated[str, StringConstraints(max_length=512, pattern=_NO_CONTROL)] = ""


class ContainersQuery(PageQuery):
    """Which containers."""

    node: FilterText = Field(default="", description="id or name of a host")
    project: FilterText = ""
    service: FilterText = ""
    state: FilterText = Field(default="", description="running, exited, paused, ...")
    q: FilterText = Field(default="", description="in name, image, id, project or service")


class ContainerQuery(Schema):
    """Where the container is, when several hosts have one of that name."""

    node: FilterText = ""


class RemoveContainerQuery(ContainerQuery):
    """`force` removes one that runs."""

    force: bool = False


class JoinTokenBody(Schema):
    """How long the token works, for how many hosts, and whether they join without a vote."""

    ttl_s: int = Field(default=3600, ge=60, le=30 * 86_400)
    uses: int = Field(default=1, ge=1, le=100)
    learner: bool = False


LogPattern = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00\r\n]*$")]
LogNames = Annotated[str, StringConstraints(max_length=16_384, pattern=_NO_CONTROL)]


class LogChoiceQuery(Schema):
    """Whose output. Several are given with commas between; nothing given: everybody's."""

    containers: LogNames = Field(default="", description="ids, beginnings of ids, or names")
    services: LogNames = Field(default="", description="name, or project.name")
    projects: LogNames = ""
    hosts: LogNames = Field(default="", description="ids or names; only of these")


class LogFilterQuery(LogChoiceQuery):
    """Which lines."""

    since: FilterText = Field(default="", description="10m, 2h, 1d, epoch milliseconds or ISO 8601")
    until: FilterText = Field(default="", description="not from then on; as since")
    since_us: int = Field(default=0, ge=0, description="as since, in epoch microseconds")
    until_us: int = Field(default=0, ge=0, description="as until, in epoch microseconds")
    level: Literal["", "trace", "debug", "info", "warn", "error", "fatal"] = Field(
        default="", description="at least as grave"
    )
    levels: FilterText = Field(default="", description="exactly these: unknown,info,warn,...")
    streams: FilterText = Field(default="", description="stdout, stderr, event")
    q: LogPattern = Field(default="", description="a text lines have")
    regex: bool = Field(default=False, description="q is a regular expression (Python's)")
    case: bool = Field(default=False, description="capitals matter")


class LogSearchQuery(LogFilterQuery):
    """Which lines, and in what order."""

    context: int = Field(default=0, ge=0, le=50, description="so many lines around each")
    order: Literal["newest", "oldest"] = "newest"
    cursor: str | None = Field(default=None, description="next_cursor of the page before")
    limit: int = Field(default=500, ge=1, le=5000)


class LogDownloadQuery(LogFilterQuery):
    """Which lines, as a file."""

    format: Literal["text", "ndjson"] = "text"


class LogFollowQuery(LogChoiceQuery):
    """Whose lines as they come, from the one after `after_us` on where they are kept."""

    after_us: int = Field(default=0, ge=0, description="epoch microseconds; 0: only what is new")
    tail: int = Field(
        default=0, ge=0, le=5000, description="of each container first, where no history is kept"
    )
    levels: FilterText = Field(default="", description="only these: unknown,info,warn,...")
    streams: FilterText = Field(default="", description="stdout, stderr, event")
    q: LogPattern = Field(default="", description="only lines with this text, case ignored")


class LogHistogramQuery(LogChoiceQuery):
    """Of when, and in how many steps."""

    since: FilterText = Field(default="1h", description="10m, 2h, 1d, epoch milliseconds or ISO 8601")
    until: FilterText = ""
    steps: int = Field(default=120, ge=1, le=500)


class LogsQuery(ContainerQuery):
    """Which lines, and whether to go on with those to come."""

    level: Literal["", "trace", "debug", "info", "warn", "error", "fatal"] = Field(
        default="", description="only lines at least as grave"
    )
    stream: Literal["", "stdout", "stderr"] = ""
    q: LogPattern = Field(default="", description="only lines with this text, case ignored")

    tail: int | Literal["all"] = Field(default=100, description="the last so many lines, or all")
    since: FilterText = Field(default="", description="10m, 2h, 1d, epoch milliseconds or ISO 8601")
    follow: bool = False
    timestamps: bool = Field(default=False, description="of text/plain: begin each line with its moment")


ComposeText = Annotated[str, StringConstraints(min_length=1, max_length=1024 * 1024)]
FileName = Annotated[str, StringConstraints(max_length=256, pattern=_NO_CONTROL)]


class OverrideBody(Schema):
    """A Compose file that is laid over the first one, and what findings call it."""

    compose: ComposeText
    file: FileName = ""


class DeploymentBody(Schema):
    """A Compose file. `variables` are for `${NAME}` in it."""

    compose: ComposeText
    file: FileName = Field(default="", description="what findings call the file")
    overrides: list[OverrideBody] = Field(
        default_factory=list, max_length=16, description="files over it, merged as Compose does, in order"
    )
    files: dict[FileName, Annotated[str, StringConstraints(max_length=256 * 1024)]] = Field(
        default_factory=dict,
        max_length=64,
        description="contents of the files that env_file and configs name, by the path they name",
    )
    environment: FilterText = Field(
        default="", description="where it is deployed to: applies its section of x-tower-environments"
    )
    project: Annotated[str, StringConstraints(max_length=64)] | None = None
    variables: dict[
        Annotated[str, StringConstraints(min_length=1, max_length=256)],
        Annotated[str, StringConstraints(max_length=64 * 1024)],
    ] = Field(default_factory=dict, max_length=1000)
    dry_run: bool = False
    strategy: Strategy | None = Field(default=None, description="instead of the one of the file")
    skip_analysis: bool = Field(
        default=False, description="judge nothing and ask nobody for approval; recorded as such"
    )
    override_window: bool = Field(
        default=False, description="although a change window or a freeze is against it; recorded as such"
    )


class RolloutsQuery(PageQuery):
    """Of which service."""

    service: FilterText = ""


class SteerBody(Schema):
    """Why, for the record."""

    reason: Reason = ""


class RollbackBody(Schema):
    """To which revision; null: the last one that was stable before."""

    to: int | None = Field(default=None, ge=1, le=2**31)
    reason: Reason = ""


class TrafficBody(Schema):
    """How much of the requests goes to which colour. A colour alone gets all.

    A share alone is the new revision's, or that of the one that is kept beside.
    """

    colour: Colour | None = None
    permille: int | None = Field(default=None, ge=0, le=WHOLE_PERMILLE, description="100 is 10 %")
    force: bool = Field(default=False, description="even with too few replicas for it")


class ScaleBody(Schema):
    """How many replicas."""

    replicas: int = Field(ge=0, le=REPLICAS_MAX)
    override: bool = Field(
        default=False, description="even if it is scaled by itself, and then not until the next deployment"
    )


class ComparisonQuery(Schema):
    """Which revisions; left out, the newest and the one before."""

    before: int | None = Field(default=None, ge=1, le=2**31)
    after: int | None = Field(default=None, ge=1, le=2**31)


class UserBody(Schema):
    """A new account."""

    name: Name
    password: Password
    role: Role


class PasswordBody(Schema):
    """A new password; for one's own, the present one too."""

    password: Password
    current_password: Password | None = None


class RoleBody(Schema):
    """A new role."""

    role: Role


class ApiTokenBody(Schema):
    """A token for programs: at most the caller's role. Without `ttl_s` it works until it is revoked.

    With `read_only` it changes nothing, over REST either. `toolsets` are those whose tools it is shown over
    MCP, none: all.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    role: Role
    ttl_s: int | None = Field(default=None, ge=60, le=10 * 365 * 86_400)
    read_only: bool = False
    toolsets: list[Toolset] = Field(default_factory=list, max_length=len(Toolset))


class SettingBody(Schema):
    """The new value, null for the default. With `expected_version` only if nobody was quicker."""

    value: Annotated[str, StringConstraints(max_length=64 * 1024)] | None
    expected_version: int | None = Field(default=None, ge=0, le=2**53)


class FileQuery(Schema):
    """Of which environment; empty for the one of all environments."""

    environment: FilterText = ""


class ConfigQuery(FileQuery):
    """Which version; without it the newest."""

    version: int | None = Field(default=None, ge=1, le=2**31)


class FileBody(Schema):
    """A secret's or config's new content in one of three ways. `generate_bytes` makes a random secret of so
    many bytes, as base64url text, that nobody sees.
    """

    value: str | None = Field(default=None, repr=False)
    value_base64: str | None = Field(default=None, repr=False)
    generate_bytes: int | None = Field(default=None, ge=GENERATED_BYTES_MIN, le=GENERATED_BYTES_MAX)


class RegistryBody(Schema):
    """A login at a registry."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_CONTROL)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_CHARACTERS_MAX)] = Field(
        repr=False
    )
    check_login: bool = Field(default=True, description="false: keep it without trying it at the registry")
