"""The command `foveate`: options, help and exit codes.

Imports nothing heavy: help must come within a second, so every command loads what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from foveate.agent import cli_chat, cli_eval, cli_mcp, cli_serve
from foveate.agent.cli_errors import FAILED, INTERRUPTED, explain
from foveate.agent.cli_options import (
    AllowUrl,
    AsJson,
    BaseUrl,
    Checks,
    Debug,
    GrounderName,
    Images,
    MaxSeconds,
    MaxSteps,
    ModelName,
    NoTools,
    OneImage,
    SliceIndex,
    WindowName,
)

app = typer.Typer(
    name="foveate",
    help="Ask a medical image a question; the answer points at the pixels that say so. For research only.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"foveate {version('foveate')}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True)] = False,
) -> None:
    """Options before a command."""


@app.command()
def ask(
    images: Images,
    question: Annotated[str, typer.Option("--question", "-q", help="The question, in plain words.")],
    model: ModelName = "pocket",
    base_url: BaseUrl = None,
    no_tools: NoTools = False,
    grounder: GrounderName = "pocket",
    decoding: Annotated[
        str,
        typer.Option(
            "--decoding", metavar="default|semsam[:k=16,m=20,…]", help="How the model's next token is chosen."
        ),
    ] = "default",
    refine: Annotated[
        int,
        typer.Option(
            "--refine", min=0, max=9, help="Ask again N times with semantic sampling; tell how far it agrees."
        ),
    ] = 0,
    checks: Checks = "none",
    max_steps: MaxSteps = 8,
    max_seconds: MaxSeconds = 120,
    slice_index: SliceIndex = None,
    window: WindowName = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write overlays, answer.json, trace.json, index.html."),
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option("--library", metavar="knowledge|DIR", help="References to look up; asks up to 3 times."),
    ] = None,
    allow_url: AllowUrl = False,
    debug: Debug = False,
) -> None:
    """Ask a question about one or more images."""
    from foveate.agent.cli_ask import AskOptions, run_ask

    run_ask(
        AskOptions(
            images=images,
            question=question,
            model=model,
            base_url=base_url,
            use_tools=not no_tools,
            grounder=grounder,
            decoding=decoding,
            refine=refine,
            checks=checks,
            max_steps=max_steps,
            max_seconds=max_seconds,
            slice_index=slice_index,
            window=window,
            as_json=as_json,
            out=out,
            allow_url=allow_url,
            library=tuple(library or ()),
        )
    )


@app.command()
def ground(
    image: OneImage,
    phrases: Annotated[
        list[str], typer.Argument(metavar="PHRASE", help="What to find, such as 'left kidney'.")
    ],
    grounder: GrounderName = "pocket",
    slice_index: SliceIndex = None,
    window: WindowName = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write an overlay PNG, and heat maps beside it."),
    ] = None,
    allow_url: AllowUrl = False,
    debug: Debug = False,
) -> None:
    """Find phrases on an image, without a language model.

    With --json one phrase gives one object; several give {"results": [one object each]}.
    """
    from foveate.agent.cli_ground import GroundOptions, run_ground

    run_ground(
        GroundOptions(
            image=image,
            phrases=phrases,
            grounder=grounder,
            slice_index=slice_index,
            window=window,
            as_json=as_json,
            out=out,
            allow_url=allow_url,
        )
    )


@app.command()
def report(
    image: OneImage,
    text: Annotated[
        Path | None,
        typer.Option("--text", metavar="FILE", help="A report in words: find its phrases, ask no model."),
    ] = None,
    model: ModelName = "pocket",
    base_url: BaseUrl = None,
    grounder: GrounderName = "pocket",
    checks: Checks = "none",
    max_steps: MaxSteps = 8,
    max_seconds: MaxSeconds = 120,
    slice_index: SliceIndex = None,
    window: WindowName = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write overlays, report.json and, of a model, trace.json."),
    ] = None,
    allow_url: AllowUrl = False,
    debug: Debug = False,
) -> None:
    """Report the findings of an image as sentences, each with the boxes that show it, or none."""
    from foveate.agent.cli_report import ReportOptions, run_report

    run_report(
        ReportOptions(
            image=image,
            text=text,
            model=model,
            base_url=base_url,
            grounder=grounder,
            checks=checks,
            max_steps=max_steps,
            max_seconds=max_seconds,
            slice_index=slice_index,
            window=window,
            as_json=as_json,
            out=out,
            allow_url=allow_url,
        )
    )


@app.command()
def grounders(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the grounders that can be loaded."""
    from foveate.agent.cli_ground import run_grounders

    run_grounders(as_json)


@app.command()
def doctor(
    as_json: AsJson = False,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Also ask this OpenAI-compatible server for its models.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Check this installation."""
    from foveate.agent.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json, base_url))


semsam = typer.Typer(help="Semantic sampling: tables of neighbours.", rich_markup_mode=None)
app.add_typer(semsam, name="semsam")


@semsam.callback()
def semsam_options() -> None:
    """Semantic sampling: tables of neighbours."""


@semsam.command()
def build(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="pocket, a folder, or a hub id.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: in the cache, where ask looks.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1024, help="Neighbours a token.")] = 32,
    matrix: Annotated[str, typer.Option("--matrix", help="Which embedding: input or output.")] = "input",
    content: Annotated[
        str, typer.Option("--content", help="Which tokens are content: letters, words, alnum or any.")
    ] = "letters",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Build the table of a model: each token's nearest content tokens in its embedding."""
    from foveate.agent.cli_semsam import run_build

    run_build(model, out, k, matrix, content, as_json)


cli_eval.add_commands(app)


app.command()(cli_chat.chat)
app.command()(cli_serve.serve)
app.add_typer(cli_serve.keys_app)
app.command()(cli_mcp.mcp)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(args=arguments, prog_name="foveate", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away; give the interpreter's own flush at exit somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if "--debug" in arguments:
            raise
        return explain(error)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
