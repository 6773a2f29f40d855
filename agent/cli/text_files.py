"""Files of text that are named on the command line: certificates, secrets."""

from __future__ import annotations

from pathlib import Path

from agent.cli.failures import CommandFailed


def read_text(file: str, bytes_max: int, *, wanted: str = "", not_text: str = "") -> str:
    """Return the content of a file; `wanted` and `not_text` say what to do when it is the wrong one.

    Raises CommandFailed for what cannot be read, is larger than `bytes_max` or is not UTF-8.
    """
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(bytes_max + 1)
        if len(content) > bytes_max:
            raise CommandFailed(
                f"{file} is larger than {bytes_max} bytes", hint=wanted or "is it the file you meant?"
            )
        return content.decode()
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}", hint=wanted) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not text", hint=not_text) from error
