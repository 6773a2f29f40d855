"""Who answers: a model where there is a key for one and its caller has tokens left, the rules otherwise."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from dataclasses import dataclass

from cluster.analytics.sentences import Language, Text
from cluster.identity.errors import SealBroken
from cluster.identity.stored_secrets import open_content
from cluster.model.assistant import ASSISTANT_PREFIX, DAY_MS, AssistantRules, assistant_rules, day_of
from cluster.model.secrets import FileContent, FileKind
from cluster.store import ReadTxn, records
from web.assistant.answering import Answerer
from web.assistant.references import references_of
from web.assistant.views import RULES, NoModel
from web.auth.call import Call
from web.tools.context import Context

BY_MODEL = "web.assistant.by_model"
BY_RULES = "web.assistant.by_rules"
HAS_SDK = importlib.util.find_spec("anthropic") is not None
"""Whether the extra is installed. To look costs nothing, unlike importing it."""

_HINTS = {
    NoModel.SWITCHED_OFF: Text(
        "`tower setting put assistant.tokens_per_day 1000000` lets a model answer",
        "`tower setting put assistant.tokens_per_day 1000000` fa rispondere un modello",
    ),
    NoModel.NOT_INSTALLED: Text(
        "install the extra `assistant` on every host: `pip install 'control-tower[assistant]'`",
        "installare l'extra `assistant` su ogni host: `pip install 'control-tower[assistant]'`",
    ),
    NoModel.NO_KEY: Text(
        "`tower secret put {secret}` with an API key lets a model answer",
        "`tower secret put {secret}` con una chiave API fa rispondere un modello",
    ),
    NoModel.USED_UP: Text(
        "today's tokens are used up; there are new ones tomorrow (UTC)",
        "i token di oggi sono esauriti; domani (UTC) ce ne sono di nuovi",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who would answer a caller now, and what of the day's tokens is left to them."""

    rules: AssistantRules
    no_model: NoModel | None
    tokens_used: int
    day_ends_ms: int

    @property
    def answerer(self) -> str:
        return self.rules.model if self.no_model is None else RULES

    @property
    def tokens_left(self) -> int:
        return max(0, self.rules.tokens_per_day - self.tokens_used)

    def hint(self, language: Language) -> str:
        """What makes a model answer, "" where one does."""
        if self.no_model is None:
            return ""
        return _HINTS[self.no_model].in_language(language).format(secret=self.rules.key_secret)


def standing_of(context: Context, call: Call, *, uncounted: int = 0) -> Standing:
    """Return how it is for a caller. `uncounted` tokens are used too, and not in the record yet."""
    now_ms = context.surroundings.clock.now_ms()
    with context.surroundings.state.read() as txn:
        rules = assistant_rules(records.setting_values(txn, ASSISTANT_PREFIX))
        used = records.TOKENS_USED.get(txn, call.known().principal_id)
        has_key = _sealed_key(txn, rules.key_secret) is not None
    tokens_used = uncounted + (0 if used is None else used.on(now_ms))
    no_model: NoModel | None = None
    if not rules.tokens_per_day:
        no_model = NoModel.SWITCHED_OFF
    elif not has_key:
        no_model = NoModel.NO_KEY
    elif not HAS_SDK:
        no_model = NoModel.NOT_INSTALLED
    elif tokens_used >= rules.tokens_per_day:
        no_model = NoModel.USED_UP
    return Standing(
        rules=rules,
        no_model=no_model,
        tokens_used=tokens_used,
        day_ends_ms=(day_of(now_ms) + 1) * DAY_MS,
    )


async def answerer_of(context: Context, standing: Standing) -> tuple[Answerer, NoModel | None]:
    """Return who answers, and why it is not a model.

    The key is opened here, for one answer, and kept by nobody else. What a model needs is imported by the
    first answer of one, in a worker thread: it is 38 MB and takes seconds.
    """
    no_model = standing.no_model
    if no_model is None:
        with context.surroundings.state.read() as txn:
            sealed = _sealed_key(txn, standing.rules.key_secret)
        key = "" if sealed is None else _opened(context, sealed)
        if key:
            module = await asyncio.to_thread(importlib.import_module, BY_MODEL)
            by_model: Answerer = module.ByModel(
                key=key,
                model=standing.rules.model,
                base_url=standing.rules.base_url,
                key_secret=standing.rules.key_secret,
                references_of=references_of,
            )
            return by_model, None
        no_model = NoModel.NO_KEY
    module = await asyncio.to_thread(importlib.import_module, BY_RULES)
    by_rules: Answerer = module.ByRules()
    return by_rules, no_model


def _sealed_key(txn: ReadTxn, name: str) -> FileContent | None:
    stored = records.FILES.get(txn, FileKind.SECRET.value, "", name)
    if stored is None or stored.is_removed:
        return None
    return records.FILE_CONTENTS.get(txn, FileKind.SECRET.value, "", name, stored.newest)


def _opened(context: Context, sealed: FileContent) -> str:
    try:
        return open_content(sealed, context.surroundings.cluster.keyring()).decode("ascii").strip()
    except (SealBroken, UnicodeDecodeError):
        return ""
