"""`make demo`: asks the demo questions about the real images that ship with Foveate and writes a page.

Prints question, steps, answer, boxes and seconds; writes a folder a question with its overlay, and a page.
Where a reference box exists the overlap with it is told afterwards; no answer ever sees it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_ask import make_folder, write_run
from foveate.agent.cli_errors import FAILED, explain
from foveate.agent.cli_images import open_images

if TYPE_CHECKING:
    from foveate.agent.page import Shown
    from foveate.agent.result import Result
    from foveate.agent.run import Agent
    from foveate.tools.imaging.image import SourceImage

SUBTITLE = (
    "Real CT slices, asked on this machine with the model that ships with Foveate. "
    "Every claim points at the pixels that it rests on."
)


def demo_folder() -> Path:
    """Where the demo's images, questions and reference boxes lie in this installation."""
    return Path(str(files("foveate.pocket"))) / "demo"


def questions(folder: Path) -> list[dict[str, Any]]:
    """[{id, image, question, window, reference}], in the order of asking."""
    found: list[dict[str, Any]] = json.loads((folder / "questions.json").read_text())
    return found


def ask_all(agent: Agent, folder: Path, out: Path) -> list[Shown]:
    """Ask every question, print each answer as it comes and write its files."""
    from foveate.agent.cli_show import show_result

    references = json.loads((folder / "reference.json").read_text())
    looks = []
    for asked in questions(folder):
        images = open_images([str(folder / asked["image"])], False, asked["window"], None)
        result = agent.ask(images, asked["question"])
        remarks = overlap(result, images[0], references[asked["image"]].get(asked["reference"]))
        show_result(result, images)
        print("".join(f"{name} {value}\n" for name, value in remarks), end="", flush=True)
        make_folder(out / asked["id"])
        looks.append(write_run(out / asked["id"], result, images, remarks))
    return looks


def overlap(result: Result, image: SourceImage, reference: list[float] | None) -> tuple[tuple[str, str], ...]:
    """How the first box of the answer meets the reference box: nothing where there is no reference."""
    if reference is None:
        return ()
    if not result.answer.evidence:
        return (("overlap with the reference box (IoU)", "no box"),)
    first = result.answer.evidence[0]
    truth = image.source_frame(first.plane, first.slice).box(*reference)
    return (("overlap with the reference box (IoU)", f"{first.source_box(image).iou(truth):.2f}"),)


def run(options: argparse.Namespace) -> int:
    """The whole demo; the exit code."""
    from foveate.agent.page import write_page
    from foveate.agent.run import Agent

    begin = time.perf_counter()
    make_folder(options.out)
    agent = Agent(model=options.model, base_url=options.base_url, use_tools=not options.no_tools)
    looks = ask_all(agent, demo_folder(), options.out)
    write_page(options.out / "index.html", "Foveate looks closer", looks, SUBTITLE)
    print(f"\n{len(looks)} questions in {time.perf_counter() - begin:.1f} s, loading included.")
    print(f"Pictures and page: {options.out / 'index.html'}")
    failed = [look for look in looks if look.result.stopped_by == "model_error"]
    return FAILED if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options and run; one line and an exit code for what goes wrong."""
    parser = argparse.ArgumentParser(prog="python -m foveate.agent.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--base-url")
    parser.add_argument("--no-tools", action="store_true")
    try:
        return run(parser.parse_args(arguments))
    except Exception as error:
        return explain(error)


if __name__ == "__main__":
    sys.exit(main())
