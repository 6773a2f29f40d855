"""Blocks of samples as they wait for the log: cut so that each fits into a command, and joined. Pure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from agent.follow.sample_spool import SpooledBlock
from cluster.commands.metrics import DEFINITIONS_MAX
from cluster.metrics.block import BlockDamaged, SampleBlock, decode_block, encode_block
from cluster.model.metrics import PAYLOAD_BYTES_MAX, SUBJECTS_MAX, TICKS_MAX, SubjectDefinition, SubjectRef

log = logging.getLogger(__name__)

DEFINING_BYTES_MAX = 128 * 1024
"""What the definitions in one command that does nothing else may take."""
JOINED_BYTES_MAX = PAYLOAD_BYTES_MAX // 2


def fitting(block: SampleBlock, definitions: tuple[SubjectDefinition, ...]) -> list[SpooledBlock]:
    """Return `block` in as many pieces as it takes for each to fit into a command.

    Of a single moment that does not fit, the half of the series that fits is kept.
    """
    payload = encode_block(block)
    if len(payload) <= PAYLOAD_BYTES_MAX:
        return [
            SpooledBlock(
                start_ms=block.start_ms,
                step_ms=block.step_ms,
                ticks=block.ticks,
                definitions=definitions,
                payload=payload,
            )
        ]
    if block.ticks == 1:
        log.warning("samples.too_many_series", extra={"series": block.rows})
        return fitting(_rows(block, np.arange(block.rows) < block.rows // 2), definitions)
    middle = block.ticks // 2
    early = replace(block, ticks=middle, values=block.values[:, :middle], present=block.present[:, :middle])
    late = replace(
        block,
        start_ms=block.start_ms + middle * block.step_ms,
        ticks=block.ticks - middle,
        values=block.values[:, middle:],
        present=block.present[:, middle:],
    )
    return [*fitting(early, definitions), *fitting(late, definitions)]


def only_known(
    block: SpooledBlock, refs: Sequence[SubjectRef]
) -> tuple[SpooledBlock, list[SubjectRef]] | None:
    """Return the part of a block that is of subjects with a number; None when there is none."""
    kept = [position for position, ref in enumerate(refs) if ref.number]
    try:
        whole = decode_block(block.payload, start_ms=block.start_ms, step_ms=block.step_ms, ticks=block.ticks)
    except BlockDamaged:
        return None
    part = _rows(whole, np.isin(whole.positions, kept))
    if not part.rows:
        return None
    part = replace(part, positions=np.searchsorted(kept, part.positions).astype(np.uint16))
    return (
        replace(
            block,
            definitions=tuple(block.definitions[position] for position in kept),
            payload=encode_block(part),
        ),
        [refs[position] for position in kept],
    )


def _rows(block: SampleBlock, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> SampleBlock:
    return replace(
        block,
        positions=block.positions[chosen],
        metrics=block.metrics[chosen],
        values=block.values[chosen],
        present=block.present[chosen],
    )


def size_of(definition: SubjectDefinition) -> int:
    """About how many bytes a definition takes in a command."""
    texts = (definition.key, definition.name, *(text for pair in definition.labels for text in pair))
    return 40 + sum(len(text.encode()) + 3 for text in texts)


def portions_of(definitions: Sequence[SubjectDefinition]) -> list[tuple[SubjectDefinition, ...]]:
    portions: list[list[SubjectDefinition]] = [[]]
    size = 0
    for definition in definitions:
        if portions[-1] and (
            len(portions[-1]) >= DEFINITIONS_MAX or size + size_of(definition) > DEFINING_BYTES_MAX
        ):
            portions.append([])
            size = 0
        portions[-1].append(definition)
        size += size_of(definition)
    return [tuple(portion) for portion in portions]


def joined(blocks: Sequence[SpooledBlock]) -> tuple[SpooledBlock, int]:
    """Return the first of `blocks` (in order of time) as one, and how many those are: at least one.

    An outage of days is a command for each hour then and not for each minute, and takes a third less. Joined
    is what has one step and fits; of what is defined several times the newest definition counts.
    """
    first = blocks[0]
    count, size = 1, len(first.payload)
    places = {definition.place for definition in first.definitions}
    for block in blocks[1:]:
        size += len(block.payload)
        places |= {definition.place for definition in block.definitions}
        if (
            block.step_ms != first.step_ms
            or block.end_ms - first.start_ms > TICKS_MAX * first.step_ms
            or size > JOINED_BYTES_MAX
            or len(places) > SUBJECTS_MAX
        ):
            break
        count += 1
    while count > 1:
        found = _joined(blocks[:count])
        if found is not None and len(found.payload) <= PAYLOAD_BYTES_MAX:
            return found, count
        count //= 2
    return first, 1


def _joined(blocks: Sequence[SpooledBlock]) -> SpooledBlock | None:
    """Return `blocks` as one; None when one of them is damaged."""
    first, last = blocks[0], blocks[-1]
    ticks = (last.end_ms - first.start_ms) // first.step_ms
    definitions: dict[tuple[str, int, str], SubjectDefinition] = {}
    for block in blocks:
        definitions.update((definition.place, definition) for definition in block.definitions)
    places = {place: position for position, place in enumerate(definitions)}
    rows: dict[tuple[int, int], int] = {}
    parts = []
    for block in blocks:
        try:
            part = decode_block(
                block.payload, start_ms=block.start_ms, step_ms=block.step_ms, ticks=block.ticks
            )
        except BlockDamaged:
            return None
        positions = [places[block.definitions[position].place] for position in part.positions.tolist()]
        keys = zip(positions, part.metrics.tolist(), strict=True)
        parts.append((part, [rows.setdefault(key, len(rows)) for key in keys]))
    values = np.zeros((len(rows), ticks), dtype=np.int64)
    present = np.zeros((len(rows), ticks), dtype=np.bool_)
    for part, places_of_rows in parts:
        start = (part.start_ms - first.start_ms) // first.step_ms
        values[places_of_rows, start : start + part.ticks] = part.values
        present[places_of_rows, start : start + part.ticks] = part.present
    whole = SampleBlock(
        start_ms=first.start_ms,
        step_ms=first.step_ms,
        ticks=ticks,
        positions=np.array([position for position, _ in rows], dtype=np.uint16),
        metrics=np.array([metric for _, metric in rows], dtype=np.uint16),
        values=values,
        present=present,
    )
    return replace(first, ticks=ticks, definitions=tuple(definitions.values()), payload=encode_block(whole))
