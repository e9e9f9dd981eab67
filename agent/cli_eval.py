"""`foveate tasks`, `foveate eval`, `foveate compare`: their options and help; the work is a plug-in's.

Imports run one way, evals → agent, so this module cannot import evals. What runs a command is found by the
entry-point group `foveate.commands`, which the package that has the evaluations declares (pyproject.toml):
the agent without them still starts, lists its commands and says what is missing. Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from foveate.agent.checks.level import Level
from foveate.agent.cli_errors import InputError

GROUP = "foveate.commands"

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data root; default: $FOVEATE_DATA/evals."),
]


@dataclass(frozen=True)
class EvalOptions:
    """The options of `foveate eval`, as given."""

    task: str
    model: str
    base_url: str | None
    use_tools: bool
    grounder: str
    decoding: str
    max_steps: int
    max_seconds: float
    limit: int | None
    seed: int
    out: Path | None
    data: Path | None
    accept_licence: bool
    partial: bool
    chosen: list[str]
    parallel: int | None
    judge: str | None
    faithful: bool
    corrupt: list[str]
    as_json: bool
    checks: Level = "none"


def plugin(name: str) -> Callable[..., Any]:
    """What the installed distribution declares for a command. Raises InputError when nothing does."""
    from importlib.metadata import entry_points

    for found in entry_points(group=GROUP, name=name):
        return cast(Callable[..., Any], found.load())
    raise InputError(f"'{name}' is not installed here; install Foveate with its evaluations: foveate[evals].")


def add_commands(app: typer.Typer) -> None:
    """Adds the three commands to the command line."""
    app.command("tasks")(tasks)
    app.command("eval")(evaluate)
    app.command("compare")(compare)


def tasks(data: DataFolder = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the evaluation tasks: licence, where the data is to be had, whether it is here."""
    plugin("tasks")(data, as_json)


def evaluate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A name that 'foveate tasks' lists.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="As for ask; none: the grounder alone.")
    ] = "pocket",
    base_url: Annotated[str | None, typer.Option("--base-url", help="An OpenAI-compatible server.")] = None,
    no_tools: Annotated[bool, typer.Option("--no-tools", help="Answer in one look, without tools.")] = False,
    grounder: Annotated[
        str, typer.Option("--grounder", metavar="NAME[:RECIPE][@MODEL]", help="What finds phrases.")
    ] = "pocket",
    decoding: Annotated[
        str, typer.Option("--decoding", metavar="default|semsam[:…]", help="How tokens are chosen.")
    ] = "default",
    checks: Annotated[
        Level, typer.Option("--checks", help="What is checked before an answer leaves.")
    ] = "none",
    max_steps: Annotated[int, typer.Option("--max-steps", min=1, help="Turns a question at most.")] = 8,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", min=0.1, help="Seconds a question at most.")
    ] = 120,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many questions, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws questions, and whatever a task draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The run's folder; default: runs/TASK-KEY.")
    ] = None,
    data: DataFolder = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the data's licence and accept it.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Run on what is there when files of the set are missing.")
    ] = False,
    chosen: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="An option of the task's own.")
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option("--parallel", min=1, help="Questions at once; default: 8 for a server, else 1."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="MODEL", help="A model for judged metrics.")
    ] = None,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Also run on blank, noise, mirrored and masked images.")
    ] = False,
    corrupt: Annotated[
        list[str] | None,
        typer.Option(
            "--corrupt", metavar="NAME[:SEVERITY]", help="Also run on corrupted images; all for a suite."
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run a task. The same command goes on where a killed run stopped."""
    options = EvalOptions(
        task=task,
        model=model,
        base_url=base_url,
        use_tools=not no_tools,
        grounder=grounder,
        decoding=decoding,
        checks=checks,
        max_steps=max_steps,
        max_seconds=max_seconds,
        limit=limit,
        seed=seed,
        out=out,
        data=data,
        accept_licence=accept_licence,
        partial=partial,
        chosen=chosen or [],
        parallel=parallel,
        judge=judge,
        faithful=faithful,
        corrupt=corrupt or [],
        as_json=as_json,
    )
    plugin("eval")(options)


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another run of the same task.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Paired differences of two runs, first minus second, with intervals."""
    plugin("compare")(first, second, as_json)
