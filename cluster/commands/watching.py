"""Commands on following what images' tags mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import ServiceId
from cluster.model.schedules import ScheduledService
from cluster.model.watching import WatchRules


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWatch:
    """Follow a service's image, or do so in another way. What was seen and tried is kept.

    `is_from_file`: the Compose file says so, and one that does not any more ends it.
    """

    service_id: ServiceId
    watch: WatchRules
    by: str
    by_principal: str
    is_from_file: bool = False

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_text("by", self.by, 128)
        rules.check_text("by principal", self.by_principal, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWatch:
    """Follow a service's image no more. What it runs stays."""

    service_id: ServiceId

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDigest:
    """Write down what a registry answered: `digest`, or a `problem` and the digest known before stays
    (leader only).

    Its age begins anew when image or digest is another one.
    """

    service_id: ServiceId
    image: str
    digest: str = ""
    problem: str = ""

    def __post_init__(self) -> None:
        rules.check_id("service id", self.service_id)
        rules.check_text("image", self.image, 512, chars_min=1)
        rules.check_text("digest", self.digest, 128)
        rules.check_text("problem", self.problem, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateImage:
    """Deploy a service with the digest its tag means, which is remembered as tried (leader only). Result:
    `[revision, version]`.

    Only against `expected_version` of the service: nobody has wanted something else meanwhile.
    """

    service: ScheduledService = field(repr=False)
    created_by: str
    expected_version: int

    def __post_init__(self) -> None:
        rules.check_text("created by", self.created_by, 128)
        rules.check_text("digest", self.service.spec.digest, 128, chars_min=1)
