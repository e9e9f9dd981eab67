"""Options that several commands take, each written once: its name, its help, and what it may be.

Imports nothing heavy. Knows no command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from foveate.agent.checks.level import Level

if TYPE_CHECKING:
    from foveate.agent.run import Agent

Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE", help="Files, or a folder with one DICOM series.")
]
OneImage = Annotated[str, typer.Argument(metavar="IMAGE", help="A file, or a folder with one DICOM series.")]
ModelName = Annotated[
    str, typer.Option("--model", "-m", help="pocket, hf:PATH_OR_ID, openai:NAME or scripted:FILE.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", help="An OpenAI-compatible server, such as http://localhost:8000/v1."),
]
NoTools = Annotated[bool, typer.Option("--no-tools", help="Answer in one look, without tools.")]
GrounderName = Annotated[
    str, typer.Option("--grounder", metavar="NAME[:RECIPE][@MODEL]", help="What finds phrases.")
]
Checks = Annotated[
    Level, typer.Option("--checks", help="What is checked before the answer leaves; basic takes no calls.")
]
MaxSteps = Annotated[int, typer.Option("--max-steps", min=1, help="Turns of the model at most.")]
MaxSeconds = Annotated[float, typer.Option("--max-seconds", min=0.1, help="Seconds a question at most.")]
SliceIndex = Annotated[
    int | None, typer.Option("--slice", help="Slice to start at, from 0; default: the middle one.")
]
WindowName = Annotated[
    str | None, typer.Option("--window", metavar="NAME|CENTER,WIDTH", help="Intensity window to start with.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")
]
AllowUrl = Annotated[bool, typer.Option("--allow-url", help="Let an IMAGE be an http(s) address.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """What of a command's options makes its agent; `max_seconds` are of one question."""

    model: str
    base_url: str | None
    grounder: str
    checks: Level
    max_steps: int
    max_seconds: float
    use_tools: bool = True
    decoding: str = "default"
    refine: int = 0

    def agent(self) -> Agent:
        """Loads the model. Raises InputError, ModelError or GrounderError."""
        from foveate.agent.budget import Budget
        from foveate.agent.run import Agent

        return Agent(
            model=self.model,
            base_url=self.base_url,
            grounder=self.grounder,
            use_tools=self.use_tools,
            decoding=self.decoding,
            refine=self.refine,
            checks=self.checks,
            budget=Budget(steps=self.max_steps, seconds=self.max_seconds),
        )
