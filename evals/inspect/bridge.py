"""A Foveate task as an Inspect AI task: a solver that asks the agent and a scorer that reads, then scores.

Targets never enter Inspect's samples, because solvers can see those: the scorer takes them by id after the
prediction has been read. What is in a journal is not done again. Knows no benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import anyio
from anyio.to_thread import run_sync
from inspect_ai import Task as InspectTask
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageTool, ModelOutput
from inspect_ai.scorer import Score, Scorer, mean, scorer, stderr
from inspect_ai.scorer import Target as InspectTarget
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolCall

from foveate.evals.contract.answers import Prediction, Reading
from foveate.evals.contract.questions import Question, Target
from foveate.evals.contract.tasks import Judge, Task
from foveate.evals.inspect.asking import Asks
from foveate.evals.inspect.errors import SampleFailed
from foveate.evals.inspect.folder import RunFolder
from foveate.evals.inspect.heat import save_heat
from foveate.evals.records import reading_record
from foveate.evals.scoring.blind import Judgement, judge_blind
from foveate.evals.scoring.faults import name_of
from foveate.evals.scoring.kinds import verdict

UNSCORED = float("nan")


@dataclass(frozen=True)
class Bridge:
    """All that solver and scorer need. `asker` is None when every prediction is journaled already; `failures`
    is filled with why samples got no answer.
    """

    task: Task
    questions: Mapping[str, Question]
    targets: Mapping[str, Target] = field(repr=False)
    folder: RunFolder
    asker: Asks | None
    judge: Judge | None
    parallel: int
    failures: dict[str, str] = field(default_factory=dict)

    def inspect_task(self) -> InspectTask:
        """The whole run as one Inspect task."""
        names = sorted({metric.name for metric in self.task.metrics if metric.over is None})
        return InspectTask(
            dataset=MemoryDataset([_sample(question) for question in self.questions.values()]),
            solver=foveate_agent(self),
            scorer=foveate_score(self, names),
            name=self.task.info.name,
            version=self.folder.key[:12],
            metadata={"foveate": self.folder.described},
        )


@solver
def foveate_agent(bridge: Bridge) -> Solver:
    """Asks the agent in a thread of its own, journals the answer, and shows the conversation to Inspect."""
    limiter = anyio.CapacityLimiter(bridge.parallel)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        question = bridge.questions[str(state.sample_id)]
        kept = bridge.folder.predictions
        if question.id not in kept:
            kept.add(await run_sync(_asked, bridge, question, limiter=limiter, abandon_on_cancel=True))
        _show(state, kept.get(question.id))
        return state

    return solve


@scorer(metrics=[{"*": [mean(), stderr(cluster="cluster")]}])
def foveate_score(bridge: Bridge, names: Sequence[str]) -> Scorer:
    """Reads the prediction without the target, then scores the reading with it."""
    limiter = anyio.CapacityLimiter(bridge.parallel)

    async def score(state: TaskState, target: InspectTarget) -> Score:
        name, kept = str(state.sample_id), bridge.folder.scores
        if name not in kept:
            work = bridge, bridge.questions[name], bridge.folder.prediction(name)
            # only a judge takes long enough for a thread of its own
            kept.add(await run_sync(_scored, *work, limiter=limiter) if bridge.judge else _scored(*work))
        record = kept.get(name)
        return Score(
            value={each: record["values"].get(each, UNSCORED) for each in names},
            answer=record["reading"]["value"],
            explanation=record["reading"]["outcome"],
            metadata={"reading": record["reading"], "target": asdict(bridge.targets[name])},
        )

    return score


def _sample(question: Question) -> Sample:
    about = {**question.filters, "cluster": question.cluster, "kind": question.kind}
    return Sample(id=question.id, input=question.prompt, metadata=about)


def _asked(bridge: Bridge, question: Question) -> dict[str, Any]:
    assert bridge.asker is not None, "a question is left to ask"
    try:
        asked = bridge.asker.ask(question)
    except SampleFailed as failure:
        bridge.failures[question.id] = str(failure)
        raise
    told = asked.prediction
    if asked.heat is not None:
        told = replace(told, heatmap=save_heat(bridge.folder.path, question.id, asked.heat))
    return {"id": question.id, "prediction": asdict(told), "trace": asked.trace}


def _scored(bridge: Bridge, question: Question, prediction: Prediction) -> dict[str, Any]:
    judgement = Judgement[Prediction](
        lambda given: bridge.task.read(question, given),
        lambda reading, target: bridge.task.score(question, reading, target, bridge.judge),
        lambda reading, target: _verdict(question, reading, target),
    )
    told = judge_blind(prediction, judgement, lambda: bridge.targets[question.id])
    return {
        "id": question.id,
        "reading": reading_record(told.reading),
        "values": dict(told.values),
        "verdict": told.verdict,
    }


def _verdict(question: Question, reading: Reading, target: Target) -> str:
    """One word for the report; where the benchmark has no answer in words, the reading's own."""
    worded = question.kind not in ("boxes", "regions_3d")
    if worded and target.answer is None and not target.answers:
        return name_of(reading)
    return verdict(question, reading, target)


def _show(state: TaskState, record: Mapping[str, Any]) -> None:
    """The trace in the sample's store, and the conversation as Inspect's viewer draws it."""
    trace = record["trace"]
    state.store.set("trace", trace)
    said = {f"call{step['n']:05d}": step for step in trace["steps"]}
    for reply in trace["replies"]:
        state.messages += _turn(reply, said)
    state.output = ModelOutput.from_content(str(trace["model"]), str(trace["answer"]))


def _turn(reply: Mapping[str, Any], said: Mapping[str, Any]) -> list[ChatMessage]:
    text = reply["content"] if isinstance(reply["content"], str) else ""
    calls = [ToolCall(id=c["id"], function=c["name"], arguments=c["args"]) for c in reply["tool_calls"]]
    results = [
        ChatMessageTool(
            content=str(said[call.id].get("observation") or ""), tool_call_id=call.id, function=call.function
        )
        for call in calls
        if call.id in said and call.function != "answer"  # which ends the conversation
    ]
    return [ChatMessageAssistant(content=text, tool_calls=calls or None), *results]
