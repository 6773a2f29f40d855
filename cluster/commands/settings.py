"""Commands on replicated settings."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model.settings import KEY_PATTERN, VALUE_CHARS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSetting:
    """Set `key`, or remove it with `value=None`. Result: the new version (int), counting from 1.

    With `expected_version` only if the present version is that one; 0 means that the key was never set.
    """

    key: str
    value: str | None
    expected_version: int | None = None

    def __post_init__(self) -> None:
        if not KEY_PATTERN.fullmatch(self.key):
            raise ValueError(f"key {self.key!r}: up to 128 of a-z 0-9 . _ / -, a letter or digit first")
        if self.value is not None and len(self.value) > VALUE_CHARS_MAX:
            raise ValueError(
                f"value of {self.key!r}: {len(self.value)} characters, at most {VALUE_CHARS_MAX}"
            )
