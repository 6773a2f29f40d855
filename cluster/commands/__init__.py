"""What may be written: one frozen dataclass per log command, its envelope, and what became of it."""

from cluster.commands.envelope import Envelope, MalformedCommand, NewerCommand, decode, encode
from cluster.commands.outcome import Applied, Code, Outcome, Rejected, decode_outcome, encode_outcome

__all__ = [
    "Applied",
    "Code",
    "Envelope",
    "MalformedCommand",
    "NewerCommand",
    "Outcome",
    "Rejected",
    "decode",
    "decode_outcome",
    "encode",
    "encode_outcome",
]
