"""History from elsewhere, on the way every sample takes: through the log, in order of time, each once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.commands.metrics import DEFINITIONS_MAX, RecordSamples
from cluster.commands.outcome import Code
from cluster.metrics.block import BlockBuilder, encode_block
from cluster.model import rules
from cluster.model.events import clip
from cluster.model.ids import NodeId
from cluster.model.metrics import (
    BY_NAME,
    IMPORT_PREFIX,
    LABELS_MAX,
    STEP_MS,
    TICKS_MAX,
    SubjectDefinition,
    SubjectKind,
    SubjectRef,
)
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.windows import wrong

IMPORT = "metrics.import"
SERIES_MAX = DEFINITIONS_MAX
SAMPLES_MAX = 18_000
"""Of one batch: so many fit also where no sample is like another."""
HOST = NodeId("external")
"""What is imported is of no host of the cluster; the log speaks of it as of one of this id."""
_METRIC = BY_NAME["value"]
_STORED_MAX = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSeries:
    """One series: what it is called, what tells it apart, and a value per moment, None without one."""

    name: str
    labels: Mapping[str, str]
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportView:
    """How many samples were recorded. `is_known`: none, since this import is recorded up to there already."""

    samples: int
    is_known: bool


async def import_samples(
    context: Context,
    call: Call,
    name: str,
    *,
    start_ms: int,
    step_ms: int,
    series: Sequence[ImportedSeries],
) -> ImportView:
    """Record series of equal length from `start_ms` on, in an import of that name. Raises Problem (422).

    What an import has recorded is not recorded again, so that one that broke off can be repeated.
    """
    source = f"{IMPORT_PREFIX}{name}"
    resource = "metrics"
    await context.authority.require(call, IMPORT, resource)
    ticks = _check(source, start_ms, step_ms, series)
    builder = BlockBuilder(start_ms=start_ms, step_ms=step_ms, ticks=ticks)
    refs: list[SubjectRef] = []
    places: set[str] = set()
    samples = 0
    for each in series:
        definition = _definition(each)
        if definition.key in places:
            raise invalid("series", f"{each.name[:80]!r} is there twice with the same labels")
        places.add(definition.key)
        refs.append(SubjectRef(definition=definition))
        for tick, value in enumerate(each.values):
            if value is None or not math.isfinite(value):
                continue
            stored = round(value * _METRIC.scale)
            if abs(stored) > _STORED_MAX:
                raise invalid("series", f"{each.name[:80]!r} has {value:g}, which is more than can be kept")
            builder.put(len(refs) - 1, _METRIC.number, tick, stored)
            samples += 1
    if not samples:
        return ImportView(samples=0, is_known=False)
    try:
        command = RecordSamples(
            source=source,
            node_id=HOST,
            start_ms=start_ms,
            step_ms=step_ms,
            ticks=ticks,
            subjects=tuple(refs),
            payload=encode_block(builder.build()),
        )
    except ValueError as error:
        raise wrong(error) from error
    try:
        await context.authority.perform(
            call, IMPORT, resource, lambda permit: permit.propose(command, reason=source)
        )
    except Problem as problem:
        if problem.extra.get("code") == Code.ALREADY_EXISTS.value:
            return ImportView(samples=0, is_known=True)
        raise
    return ImportView(samples=samples, is_known=False)


def _check(source: str, start_ms: int, step_ms: int, series: Sequence[ImportedSeries]) -> int:
    """How many moments there are. Raises Problem (422)."""
    try:
        rules.check_id("name", source)
    except ValueError as error:
        raise wrong(error) from error
    if step_ms < STEP_MS or step_ms % STEP_MS:
        raise invalid("step_ms", f"a multiple of {STEP_MS}, which is how exact the history is", value=step_ms)
    if start_ms % step_ms:
        raise invalid("start_ms", f"a multiple of the step, {step_ms} ms", value=start_ms)
    if not 1 <= len(series) <= SERIES_MAX:
        raise invalid("series", f"{len(series)}; 1 to {SERIES_MAX} are allowed at a time")
    ticks = len(series[0].values)
    if any(len(each.values) != ticks for each in series):
        raise invalid("series", "each has as many values as the first")
    if not 1 <= ticks <= TICKS_MAX:
        raise invalid("series", f"{ticks} values each; 1 to {TICKS_MAX} are allowed at a time")
    if ticks * len(series) > SAMPLES_MAX:
        raise invalid("series", f"{ticks * len(series)} values; at most {SAMPLES_MAX} at a time")
    return ticks


def _definition(series: ImportedSeries) -> SubjectDefinition:
    """The subject of a series: all its labels tell it apart, also those that are too many to be kept."""
    pairs = sorted((key, value) for key, value in series.labels.items() if value)
    whole = "\x00".join([series.name, *(text for pair in pairs for text in pair)])
    kept = dict((clip(key, 64) or "label", clip(value, 256)) for key, value in pairs[:LABELS_MAX])
    return SubjectDefinition(
        kind=SubjectKind.EXTERNAL,
        node_id=HOST,
        key=hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:32],
        name=clip(series.name, 256) or "value",
        labels=tuple(sorted(kept.items())),
    )
