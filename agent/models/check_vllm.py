"""`make check-vllm`: does the pocket model claim the same behind a vLLM server as in this process?

Makes vLLM's own environment, serves the model with its tool-call parser, runs `foveate ask --json` both
ways over one list of questions, and compares claims: text, presence, and the boxes of their evidence. Knows
nothing of how an answer is found.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveate.agent.models.errors import ModelError
from foveate.agent.models.pocket import pocket_folder, pocket_path
from foveate.agent.models.vllm_env import SetupError, make_environment
from foveate.agent.models.vllm_server import ServerError, free_port, serve, vllm_command

BOX_TOLERANCE = 0.5  # source pixels
MAX_SHOWN = 60


@dataclass(frozen=True)
class Question:
    """`window`: a named CT window or None."""

    image: Path
    text: str
    window: str | None


@dataclass(frozen=True)
class Comparison:
    """`differences` is empty when both ways claim the same."""

    question: Question
    local: dict[str, Any]
    served: dict[str, Any]
    differences: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: same claims everywhere; 1: not the same; 2: the check could not be made."""
    options = _options(arguments)
    try:
        model = options.weights or pocket_folder()
        if not (model / "config.json").is_file():
            raise ModelError(f"there is no config.json in {model}")
        questions = read_questions(options.questions)[: options.limit]
        python = options.python or make_environment(options.env)
        port = free_port()
        command = vllm_command(python, model, options.name, port, options.max_model_len)
        with serve(command, port, options.out / "server.log", options.seconds) as url:
            compared = [_both_ways(question, options, url) for question in questions]
    except (ModelError, SetupError, ServerError, OSError, ValueError) as error:
        print(f"check-vllm: {error}", file=sys.stderr)
        return 2
    (options.out / "compared.json").write_text(json.dumps([_record(c) for c in compared], indent=1))
    print(table(compared))
    return int(any(comparison.differences for comparison in compared))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    demo = pocket_path().parent.parent / "demo" / "questions.json"
    parser = argparse.ArgumentParser(prog="check-vllm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=Path, default=demo, help="a JSON list of image, question, window")
    parser.add_argument("--limit", type=int, default=None, help="ask only the first N questions")
    parser.add_argument("--env", type=Path, default=Path(".venv-vllm"), help="where vLLM is installed")
    parser.add_argument("--python", type=Path, default=None, help="a Python that has vLLM already")
    parser.add_argument("--weights", type=Path, default=None, help="another checkpoint than the pocket model")
    parser.add_argument("--name", default="pocket", help="the name it is served under; it names the profile")
    parser.add_argument("--max-model-len", type=int, default=4096)
    parser.add_argument("--grounder", default="pocket")
    parser.add_argument("--seconds", type=float, default=900, help="how long the server may take to start")
    parser.add_argument("--ask-seconds", type=float, default=300, help="how long one question may take")
    parser.add_argument("--out", type=Path, default=Path("out/check-vllm"))
    return parser.parse_args(arguments)


def read_questions(path: Path) -> list[Question]:
    """The questions of a file; its images lie beside it. Raises ValueError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [Question(path.parent / q["image"], q["question"], q.get("window")) for q in told]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a list of questions") from error


def _both_ways(question: Question, options: argparse.Namespace, url: str) -> Comparison:
    print(f"asking: {question.text}", file=sys.stderr, flush=True)
    # A checkpoint that is not the shipped one is loaded by path in process.
    local_model = f"hf:{options.weights}" if options.weights else "pocket"
    local = ask(question, options, ["--model", local_model])
    served = ask(question, options, ["--model", f"openai:{options.name}", "--base-url", url])
    return Comparison(question, local, served, tuple(differences(local, served)))


def ask(question: Question, options: argparse.Namespace, model: list[str]) -> dict[str, Any]:
    """`foveate ask --json` in a process of its own. Raises ValueError when it fails."""
    command = [
        sys.executable,
        "-m",
        "foveate.agent.cli",
        "ask",
        str(question.image),
        "-q",
        question.text,
        "--json",
    ]
    command += [*model, "--grounder", options.grounder, "--max-seconds", str(options.ask_seconds)]
    command += ["--window", question.window] if question.window else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ValueError(f"{' '.join(model)} failed on {question.text!r}: {done.stderr.strip()[-300:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def differences(local: dict[str, Any], served: dict[str, Any]) -> list[str]:
    """What the two answers do not claim alike, in words."""
    found = [
        f"{key}: {local.get(key)!r} in process, {served.get(key)!r} served"
        for key in ("answer", "abstained", "stopped_by")
        if local.get(key) != served.get(key)
    ]
    ours, theirs = local.get("claims", []), served.get("claims", [])
    if len(ours) != len(theirs):
        return [*found, f"{len(ours)} claims in process, {len(theirs)} served"]
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        for key in ("text", "present", "supported"):
            if mine.get(key) != other.get(key):
                found.append(f"claim {number} {key}: {mine.get(key)!r} in process, {other.get(key)!r} served")
        if not same_boxes(_boxes(local, mine), _boxes(served, other)):
            found.append(
                f"claim {number} boxes: {_boxes(local, mine)} in process, {_boxes(served, other)} served"
            )
    return found


def _boxes(answer: dict[str, Any], claim: dict[str, Any]) -> list[list[float]]:
    """The boxes, in source pixels, of the evidence that a claim cites."""
    by_id = {evidence["id"]: evidence["box"] for evidence in answer.get("evidence", [])}
    return [by_id[name] for name in claim.get("evidence", []) if name in by_id]


def same_boxes(ours: list[list[float]], theirs: list[list[float]]) -> bool:
    """Whether two lists of boxes agree within half a source pixel."""
    if len(ours) != len(theirs):
        return False
    return all(
        abs(mine - other) <= BOX_TOLERANCE
        for our, their in zip(ours, theirs, strict=True)
        for mine, other in zip(our, their, strict=True)
    )


def table(compared: Sequence[Comparison]) -> str:
    """One line per question, and the differences below it."""
    lines = [f"{'same':<5} {'in process':>10} {'served':>8}  question -> answer in process"]
    for c in compared:
        seconds = f"{c.local.get('seconds', 0):>8.1f} s {c.served.get('seconds', 0):>6.1f} s"
        answer = str(c.local.get("answer", ""))[:MAX_SHOWN]
        lines.append(f"{'no' if c.differences else 'yes':<5} {seconds}  {c.question.text} -> {answer}")
        lines += [f"      {difference}" for difference in c.differences]
    same = sum(not c.differences for c in compared)
    return "\n".join([*lines, f"{same} of {len(compared)} questions have the same claims both ways"])


def _record(comparison: Comparison) -> dict[str, Any]:
    return {
        "question": comparison.question.text,
        "differences": list(comparison.differences),
        "in_process": comparison.local,
        "served": comparison.served,
    }


if __name__ == "__main__":
    # A plain SIGTERM would end this process without the `finally` that stops the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    sys.exit(main())
