"""`foveate chat`: questions about some images in a terminal, each knowing the earlier ones.

Reads a question a line, prints what happens as it happens, and the answer. Knows no server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.agent.cli_errors import InputError, known_errors, say
from foveate.agent.cli_options import (
    AgentOptions,
    BaseUrl,
    Checks,
    Debug,
    GrounderName,
    Images,
    MaxSeconds,
    MaxSteps,
    ModelName,
    NoTools,
)

if TYPE_CHECKING:
    from foveate.agent.events import Event
    from foveate.agent.result import Result
    from foveate.agent.session import Session
    from foveate.tools.imaging.image import SourceImage

HELP = (
    "/image PATH adds an image, /box X0 Y0 X1 Y1 marks a region for the next question, "
    "/out DIR writes the last answer, /quit ends."
)


def chat(
    images: Images,
    model: ModelName = "pocket",
    base_url: BaseUrl = None,
    no_tools: NoTools = False,
    grounder: GrounderName = "pocket",
    checks: Checks = "none",
    max_steps: MaxSteps = 8,
    max_seconds: MaxSeconds = 120,
    debug: Debug = False,
) -> None:
    """Ask one question after the other; each knows the earlier ones."""
    from foveate.agent.cli_images import open_images

    opened = open_images(images, False, None, None)
    options = AgentOptions(
        model=model,
        base_url=base_url,
        grounder=grounder,
        checks=checks,
        max_steps=max_steps,
        max_seconds=max_seconds,
        use_tools=not no_tools,
    )
    talk = Talk(options.agent().session(opened), list(opened))
    for image in opened:
        print(f"{image.name}: {image.describe()}")
    print(HELP)
    for line in _lines():
        try:
            if not talk.heard(line.strip()):
                return
        except Exception as error:
            if not isinstance(error, (InputError, *known_errors())):
                raise
            say(str(error))


@dataclass
class Talk:
    """A conversation, and what the next question brings with it."""

    session: Session
    images: list[SourceImage]
    fresh: list[SourceImage] | None = None
    box: list[float] | None = None

    def heard(self, line: str) -> bool:
        """Does what a line says; False at the end."""
        word, _, rest = line.partition(" ")
        if word == "/quit":
            return False
        if word == "/image":
            self._image(rest.strip())
        elif word == "/box":
            self._box(rest.split())
        elif word == "/out":
            self._out(rest.strip())
        elif word.startswith("/"):
            print(HELP)
        elif line:
            self._ask(line)
        return True

    def _image(self, path: str) -> None:
        from foveate.agent.cli_images import open_images

        opened = open_images([path], False, None, None)
        self.fresh = [*(self.fresh or []), *opened]
        self.images += opened
        print(f"{opened[0].name}: {opened[0].describe()}")

    def _box(self, numbers: list[str]) -> None:
        try:
            box = [float(number) for number in numbers]
        except ValueError:
            box = []
        if len(box) != 4:
            raise InputError("A box is four numbers in source pixels: /box X0 Y0 X1 Y1.")
        self.box = box

    def _out(self, folder: str) -> None:
        from foveate.agent.cli_ask import make_folder, write_run

        if not folder or not self.session.results:
            raise InputError("/out DIR writes the last answer; ask something first.")
        make_folder(Path(folder))
        write_run(Path(folder), self.session.results[-1], self.images)

    def _ask(self, question: str) -> None:
        boxes = [] if self.box is None else [self.box]
        images: list[SourceImage] = self.fresh or []
        if boxes and self.session.results and not images:
            images = self.images[-1:]  # a mark needs a view to be on: the newest image is shown again
        from foveate.tools.imaging.frames import BoxError

        try:
            for event in self.session.stream(question, images, boxes):
                _tell(event)
        except BoxError:
            self.box = None  # kept, it would fail every question to come
            raise
        self.fresh = self.box = None


def _tell(event: Event) -> None:
    data = event.data
    if event.kind == "step" and data["tool"] == "check":
        print(f"  {data['n']} check {_checked(data)}")
    elif event.kind == "step" and data["tool"] != "answer":
        told = str(data.get("observation") or data.get("error") or "").splitlines()
        print(f"  {data['n']} {data['tool']}: {told[0] if told else 'failed'}")
    elif event.kind == "repair":
        print(f"  {data['n']} repair: {data.get('error', '')}")
    elif event.result is not None:
        _show(event.result)


def _checked(step: dict[str, Any]) -> str:
    """The kind of a check, and what went wrong in it or what it refuted."""
    refuted = step.get("facts", {}).get("refuted", {})
    told = "; ".join([step["error"]] if step.get("error") else list(refuted.values()))
    kind: str = step["arguments"]["kind"]
    return f"{kind}: {told}" if told else kind


def _show(result: Result) -> None:
    print(result.answer.text)
    for found in result.answer.evidence:
        box = ", ".join(f"{value:g}" for value in found.box)
        print(f"  {found.id} {found.label}: slice {found.slice}, [{box}]")
    if result.stopped_by != "answer":
        print(f"  stopped by {result.stopped_by}" + (f": {result.failure}" if result.failure else ""))


def _lines() -> Iterator[str]:
    """Lines of standard input, with a prompt where somebody types."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        yield line
