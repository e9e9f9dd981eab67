"""Makes imitation data: the real agent graph and tools, driven by the teacher, on augmented real anatomy.

`python -m foveate.pocket.vlm.trajectories --count 9000` writes shards of conversations under runs/, adding to
what is there. A conversation is kept as the chat template will see it, with the pictures the model would have
looked at. At times the grounder is made to fail, to miss or to point elsewhere, so that looking again is
worth something.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from foveate.agent.budget import Budget
from foveate.agent.models.profiles import profile_for
from foveate.agent.result import Result
from foveate.agent.run import Agent
from foveate.pocket.vlm.observations import REGION, Found
from foveate.pocket.vlm.oracle import OracleModel
from foveate.pocket.vlm.scenes import Scene, random_scene
from foveate.pocket.vlm.tasks import Questioner
from foveate.tools.context import ToolError
from foveate.tools.grounding.protocol import Grounder, Grounding
from foveate.tools.imaging.image import SourceImage
from foveate.tools.imaging.store import ImageStore
from foveate.tools.imaging.views import View, overview, render
from foveate.tools.imaging.windows import PRESETS
from foveate.tools.toolbox import TOOLS

FOLDER = Path("runs/pocket-vlm/trajectories")
SHARD = 200
QUESTIONS_A_SCENE = 6
OFFERED = [name for name in TOOLS if name != "refine"]  # offered only to a model that can be asked again


class TryingGrounder:
    """A grounder that fails, misses or points elsewhere at times; `rng` decides, the rest is the real one."""

    name = "trying"

    def __init__(self, real: Grounder, rng: np.random.Generator, decoys: Sequence[str]) -> None:
        self.real, self.rng, self.decoys = real, rng, decoys

    def ground(self, view: View, image: SourceImage, phrases: Sequence[str]) -> list[Grounding]:
        roll = self.rng.random()
        if roll < 0.04:
            raise ToolError(str(self.rng.choice(["grounder timed out", "grounder ran out of memory"])))
        if roll < 0.12 and len(self.decoys):
            other = self.real.ground(view, image, [str(self.rng.choice(self.decoys))])[0]
            return [_renamed(other, phrase) for phrase in phrases]
        return self.real.ground(view, image, phrases)


def _renamed(found: Grounding, phrase: str) -> Grounding:
    regions = tuple(replace(region, label=phrase) for region in found.regions)
    return replace(found, phrase=phrase, regions=regions)


def stack_of(rng: np.random.Generator, scene: Scene, other: Scene) -> tuple[npt.NDArray[np.int16], int]:
    """(pixels [slice, row, col], the scene's index): mostly the scene alone, at times among another's."""
    if rng.random() > 0.3:
        return scene.hu[None], 0
    stack = np.repeat(other.hu[None], int(rng.integers(2, 33)), axis=0)
    index = int(rng.integers(len(stack)))
    stack[index] = scene.hu
    return stack, index


def image_of(scene: Scene, pixels: npt.NDArray[np.int16], rng: np.random.Generator) -> SourceImage:
    """The pixels as CT, at times without spacing."""
    known = rng.random() < 0.9
    step = scene.spacing_mm
    window = (
        PRESETS["soft tissue"] if rng.random() < 0.7 else list(PRESETS.values())[rng.integers(len(PRESETS))]
    )
    return SourceImage(
        pixels,
        spacing_mm=(5.0, step, step) if known else None,
        affine=np.diag([step, step, 5.0, 1.0]) if known else None,
        modality="CT", intensity_unit="HU", default_window=window, convention="radiological",
        volume=True, patient_side_known=known, stored_orientation="LPS", name="scene",
    )  # fmt: skip


class Maker:
    """Turns scenes into conversations."""

    def __init__(self, seed: int, grounder: Grounder) -> None:
        self.rng = np.random.default_rng(seed)
        self.model = OracleModel()
        self.profile = profile_for("pocket")
        self.real = grounder
        self.store = ImageStore()

    def conversations(self) -> Iterator[dict[str, Any]]:
        """Endless conversations, several a scene."""
        scene = random_scene(self.rng)
        while True:
            other, scene = scene, random_scene(self.rng)
            pixels, index = stack_of(self.rng, scene, other)
            image = image_of(scene, pixels, self.rng)
            self.store = ImageStore()
            asker = Questioner(self.rng, scene, self.profile.max_side, index)
            decoys = [truth.phrase for truth in asker.visible]
            agents = {
                tools: Agent(
                    self.model, grounder=TryingGrounder(self.real, self.rng, decoys), use_tools=tools,
                    store=self.store, profile=self.profile, show_pixels=False, budget=Budget(steps=12),
                )
                for tools in (True, False)
            }  # fmt: skip
            for _ in range(QUESTIONS_A_SCENE):
                yield self._one(agents, asker, image)

    def _one(self, agents: dict[bool, Agent], asker: Questioner, image: SourceImage) -> dict[str, Any]:
        far = image.n_slices > 1 and self.rng.random() < 0.3
        task = asker.draw("slice" if far else None)
        direct = self.rng.random() < 0.18 and task.kind not in ("window", "what", "slice")
        if direct:
            task = asker.direct(task)
        self.model.begin(task, direct)
        shown = int(self.rng.integers(image.n_slices)) if far else asker.index
        start = [overview(image, self.profile.max_side, shown, "axial")]
        boxes = [task.extra["box"]] if task.kind == "what" else []
        result = agents[not direct].ask(image, task.question, start=start, boxes=boxes)
        kinds = [f"direct {task.kind}" if direct else task.kind]
        leads_on = not direct and task.kind not in ("what", "window", "overview", "slice")
        if leads_on and self.rng.random() < 0.22:
            task.last = last_region(result)
            following = asker.follow_up(task)
            if following is not None:
                self.model.begin(following)
                result = agents[True].ask([], following.question, result)
                kinds.append(following.kind)
        return self._record(result, kinds)

    def _record(self, result: Result, kinds: list[str]) -> dict[str, Any]:
        pictures = {}
        for name, view in result.views.items():
            buffer = io.BytesIO()
            render(view, self.store.get(view.image_id)).convert("L").save(buffer, "PNG", compress_level=1)
            pictures[name] = base64.b64encode(buffer.getvalue()).decode()
        return {
            "kinds": kinds,
            "tools": ["answer"] if kinds[0].startswith("direct") else [*OFFERED, "answer"],
            "stopped_by": result.stopped_by,
            "messages": [chat_message(message) for message in result.messages],
            "pictures": pictures,
        }


def last_region(result: Result) -> Found | None:
    """The region a follow-up leans on: the first one that the answer cites."""
    cited = [name for told in result.answer.claims for name in told.evidence]
    for message in result.messages:
        for line in str(message.text).splitlines() if isinstance(message, ToolMessage) else ():
            match = REGION.match(line)
            if match and cited and match[1] == cited[0]:
                return Found(match[1], match[2], (), match[4], match[5].strip())
    return None


def chat_message(message: BaseMessage) -> dict[str, Any]:
    """A message as chat templates take it; images stay names of views."""
    role = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}[message.type]
    blocks = [message.content] if isinstance(message.content, str) else list(message.content)
    content = []
    for block in blocks:
        if isinstance(block, str):
            content += [{"type": "text", "text": block}] if block else []
        elif block.get("type") == "image_ref":
            content.append({"type": "image", "view": block["view"]})
        else:
            content.append({"type": "text", "text": block["text"]})
    told: dict[str, Any] = {"role": role, "content": content}
    if isinstance(message, AIMessage) and message.tool_calls:
        told["tool_calls"] = [
            {"type": "function", "function": {"name": c["name"], "arguments": c["args"]}}
            for c in message.tool_calls
        ]
    return told


def write(count: int, seed: int, grounder: Grounder, folder: Path = FOLDER) -> None:
    """Adds `count` conversations in shards of 200; a run that was cut leaves whole shards only."""
    folder.mkdir(parents=True, exist_ok=True)
    done = len(list(folder.glob(f"{seed:03d}-*.jsonl")))
    source = Maker(seed * 1000 + done, grounder).conversations()
    start = time.time()
    for shard in range(done, done + -(-count // SHARD)):
        part = folder / f"{seed:03d}-{shard:04d}.part"
        with part.open("w") as file:
            for _ in range(SHARD):
                file.write(json.dumps(next(source)) + "\n")
        part.rename(part.with_suffix(".jsonl"))
        print(f"shard {shard} {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    import torch

    from foveate.tools.grounding.registry import load_grounder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    write(options.count, options.seed, load_grounder("pocket"))
