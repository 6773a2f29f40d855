"""What a program is told when the answer is no. Pure."""

from __future__ import annotations

from web.auth.problems import Problem


def in_words(problem: Problem) -> str:
    """Return everything a model needs to do better, as text: some clients show it nothing else."""
    lines = [f"{problem.title}: {problem.detail}"]
    for error in problem.errors:
        where = f"line {error.line}, column {error.column}: " if error.line else ""
        lines.append(f"- {where}{error.field}: {error.rule}" + (f" ({error.hint})" if error.hint else ""))
    if problem.hint:
        lines.append(f"Next: {problem.hint}")
    return "\n".join(lines)
