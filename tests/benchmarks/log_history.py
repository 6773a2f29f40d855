"""What the log history costs: a line on its way from the engine's bytes to the disk, and finding it again.

The anchor is what Docker keeps (json-file) of the same lines, and zstd over that file.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import zstandard

from agent.docker.log_frames import LogDemultiplexer
from agent.logbook.buffers import Batch
from agent.logbook.searching import Segments, count, search
from agent.logbook.store import LogStore
from agent.ports import LogLine
from cluster.logs.flood import FloodGate
from cluster.logs.levels import Levels
from cluster.model.log_history import (
    LineStream,
    LogCountQuery,
    LogLevel,
    LogSearch,
    LogSource,
    levels_from,
)
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.results import Finding, Row

CONTAINERS = 10
LINES = 500_000
CHUNK_BYTES = 64 * 1024
BEGIN_US = 1_796_000_000_000_000
STEP_US = 200
REPEATS = 5
NEEDLE = "declined by provider"


def run(say: Callable[[str], None]) -> Finding:
    """Measure it. Raises nothing: it needs only this machine."""
    sources = [
        LogSource(container_id=f"{number:064x}", name=f"web-{number}", image="web:1")
        for number in range(CONTAINERS)
    ]
    texts = list(_texts(random.Random(7)))
    say(f"{LINES} lines of {CONTAINERS} containers")
    with scratch() as directory:
        store = LogStore(directory / "logbook", reserve_bytes=0)
        store.open()
        frames = _frames(texts)
        ids = tuple(source.container_id for source in sources)
        cut_s, keep_s, write_s = _take_in(frames, sources, store)
        store.sync()
        plain = sum(len(text) + 1 for text in texts)
        json_file = _json_file(texts)
        packed = len(zstandard.ZstdCompressor(level=3).compress(json_file))
        say("searching")
        newest = LogSearch(container_ids=ids)
        rare = LogSearch(container_ids=ids, pattern=NEEDLE, limit=5000)
        expression = LogSearch(
            container_ids=ids, pattern=r"order \d+7 .*declined$", is_regex=True, limit=5000
        )
        grave = LogSearch(container_ids=ids, levels=levels_from(LogLevel.FATAL))
        hour = LogCountQuery(
            container_ids=ids,
            start_us=BEGIN_US,
            end_us=BEGIN_US + LINES * STEP_US,
            step_us=LINES * STEP_US // 100,
        )
        segments = Segments()
        refs = store.refs()
        took = {
            name: _best(partial(search, segments, refs, (), query, lambda: False))
            for name, query in (("newest", newest), ("text", rare), ("regex", expression), ("fatal", grave))
        }
        counted_s = _best(lambda: count(segments, refs, (), hour, lambda: False))
        segments.close()
        used = store.bytes_used
        store.close()
    return Finding(
        title="Log history",
        how=(
            f"{LINES} lines of {CONTAINERS} containers (a third JSON, a third access log, a third words; "
            f"{plain / LINES:.0f} bytes on average) through demultiplexer, level detection and store; "
            "one process, processor time. A search reads all of them, and its files are in the page cache."
        ),
        anchor="Docker's json-file of the same lines, and zstd (level 3) over the whole of that file",
        rows=(
            Row(
                what="processor time a line, all in all",
                ours=f"{(cut_s + keep_s + write_s) / LINES * 1e6:.1f} µs",
                target="<= 30 µs (10,000 lines/s on a third of a core)",
            ),
            Row(what="  of which cutting the engine's frames", ours=f"{cut_s / LINES * 1e6:.1f} µs"),
            Row(what="  of which level, flood gate, buffer", ours=f"{keep_s / LINES * 1e6:.1f} µs"),
            Row(what="  of which compressing and writing", ours=f"{write_s / LINES * 1e6:.1f} µs"),
            Row(
                what="lines a second on one core",
                ours=f"{LINES / (cut_s + keep_s + write_s):,.0f}",
                target=">= 10,000",
            ),
            Row(
                what="bytes on disk a line",
                ours=f"{used / LINES:.1f}",
                target="<= a quarter of the text",
                anchor=f"{len(json_file) / LINES:.1f} json-file, {packed / LINES:.1f} with zstd",
            ),
            Row(what="the newest 500 lines", ours=f"{took['newest'] * 1000:.1f} ms"),
            Row(what="a text, over all lines", ours=f"{took['text'] * 1000:.0f} ms"),
            Row(what="a regular expression, over all lines", ours=f"{took['regex'] * 1000:.0f} ms"),
            Row(what="a level that no line has", ours=f"{took['fatal'] * 1000:.1f} ms"),
            Row(what="lines per level over time, 100 steps", ours=f"{counted_s * 1000:.0f} ms"),
        ),
    )


def _texts(rng: random.Random) -> list[str]:
    made = []
    for number in range(LINES):
        moment = _moment(number)
        match number % 3:
            case 0:
                level = rng.choices(("info", "warn", "error"), (90, 7, 3))[0]
                said = f"payment {NEEDLE}" if level == "error" else "request served"
                made.append(
                    json.dumps(
                        {
                            "time": moment,
                            "level": level,
                            "msg": said,
                            "path": f"/api/items/{rng.randrange(10_000)}",
                            "status": 200,
                            "duration_ms": rng.randrange(900),
                        }
                    )
                )
            case 1:
                made.append(
                    f'10.0.{rng.randrange(256)}.{rng.randrange(256)} - - [{moment}] "GET /api/items/'
                    f'{rng.randrange(10_000)} HTTP/1.1" 200 {rng.randrange(20_000)} "-" "curl/8.5.0"'
                )
            case _:
                outcome = rng.choices(("done", "retried", "declined"), (95, 4, 1))[0]
                made.append(
                    f"{moment} [INFO] worker: order {rng.randrange(10**6)} of queue default {outcome}"
                )
    return made


def _moment(number: int) -> str:
    at_us = BEGIN_US + number * STEP_US
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")


def _stamp(number: int) -> str:
    at_us = BEGIN_US + number * STEP_US
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _frames(texts: list[str]) -> bytes:
    """The stream of bytes that the engine sends."""
    made = bytearray()
    for number, text in enumerate(texts):
        line = f"{_stamp(number)} {text}\n".encode()
        made += bytes((1, 0, 0, 0)) + len(line).to_bytes(4) + line
    return bytes(made)


def _json_file(texts: list[str]) -> bytes:
    return b"".join(
        json.dumps({"log": f"{text}\n", "stream": "stdout", "time": _stamp(number)}).encode() + b"\n"
        for number, text in enumerate(texts)
    )


def _take_in(frames: bytes, sources: list[LogSource], store: LogStore) -> tuple[float, float, float]:
    """Have everything kept; returns the processor seconds of cutting, of keeping and of writing."""
    began_s = time.process_time()
    demultiplexer = LogDemultiplexer(tty=False)
    lines: list[LogLine] = []
    for offset in range(0, len(frames), CHUNK_BYTES):
        lines += demultiplexer.feed(frames[offset : offset + CHUNK_BYTES])
    cut_s = time.process_time() - began_s
    batches = [Batch(source=source, first_ordinal=0, since_us=0) for source in sources]
    gate, levels = FloodGate(lines_per_s=1_000_000), Levels()
    write_s = 0.0
    began_s = time.process_time()
    for number, line in enumerate(lines):
        at_us = (line.at_ns or 0) // 1000
        if not gate.lets_in(at_us):
            continue
        batch = batches[number % CONTAINERS]
        batch.add(at_us, 0, levels.of(at_us, LineStream.STDOUT, line.text), line.text, is_partial=False)
        if batch.is_full:
            write_s += _write(batch, store)
            batches[number % CONTAINERS] = Batch(
                source=batch.source, first_ordinal=batch.first_ordinal + len(batch.texts), since_us=0
            )
    for batch in batches:
        write_s += _write(batch, store)
    return cut_s, time.process_time() - began_s - write_s, write_s


def _write(batch: Batch, store: LogStore) -> float:
    if not batch.texts:
        return 0.0
    began_s = time.process_time()
    store.append(
        batch.source, batch.first_ordinal, batch.moments_us, bytes(batch.kinds), batch.texts, now_us=BEGIN_US
    )
    return time.process_time() - began_s


def _best(work: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        began_s = time.perf_counter()
        work()
        took.append(time.perf_counter() - began_s)
    return min(took)
