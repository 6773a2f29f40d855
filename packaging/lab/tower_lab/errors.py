"""What can go wrong while making or breaking hosts."""

from __future__ import annotations


class LabError(Exception):
    """The lab could not do what it was asked; the message names what, why and the next step."""


class RequirementsMissing(LabError):
    """This machine lacks something the lab needs; the message names all of it and the command that helps."""


class ProgramFailed(LabError):
    """A program the lab ran ended with an error."""

    def __init__(self, argv: list[str], returncode: int, output: str) -> None:
        super().__init__(f"{' '.join(argv)}: exit status {returncode}: {output.strip() or 'no output'}")
        self.argv = argv
        self.returncode = returncode
        self.output = output


class EngineError(LabError):
    """A Docker daemon did not answer, or refused."""


class RegistryError(LabError):
    """The image registry did not answer, or refused."""
