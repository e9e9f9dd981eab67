"""Semantic sampling's arithmetic: candidates re-scored by the probability of their neighbourhood.

MIS-SemSam (arXiv 2603.14579): score(c) = Σ_k max(0, cos(c, n_k)) · p(n_k) over the nearest content tokens n_k
of each top-m/top-p candidate c; a step with a candidate that is not a content token is left as it is. Knows
logits, a table and options; no tokenizer, no model and no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from foveate.tools.semsam.options import Options
from foveate.tools.semsam.table import ANTONYM, LEXICAL, Table

Flag = bool | Tensor
Number = float | Tensor
CHUNK = 128
CACHED = 2**17
"""Logits of which a core's cache holds a copy."""


@dataclass(frozen=True)
class Plan:
    """Which rows are re-scored and how; made once for a batch, used at every step.

    `rows` are the rows with options, None for all. The other fields are one value for all of them, or tensors
    of shape (rows, 1) where requests differ.
    """

    rows: Tensor | None
    count: int
    max_m: int
    max_k: int
    m: Number
    k: Number
    p: Number
    scale: Number
    own: Flag
    normalize: Flag
    argmax: Flag
    lexical: Flag
    no_antonyms: Flag
    random: Flag

    @staticmethod
    def of(
        options: Sequence[Options | None],
        device: torch.device | str = "cpu",
        temperatures: Sequence[float] | None = None,
    ) -> Plan | None:
        """The plan of a batch, None when no row is re-scored.

        `temperatures`: what each row's logits are divided by afterwards (0 where the best is taken), so that
        `tau` alone decides how scores are drawn from.
        """
        chosen = [(row, o) for row, o in enumerate(options) if o is not None]
        if not chosen:
            return None
        rows, asked = [row for row, _ in chosen], [o for _, o in chosen]
        heats = [temperatures[row] or 1.0 for row in rows] if temperatures is not None else [1.0] * len(rows)
        partial = len(rows) < len(options)

        def each(values: Sequence[Any], kind: torch.dtype) -> Any:
            if len(set(values)) == 1:
                return values[0]
            return torch.tensor(values, dtype=kind, device=device)[:, None]

        reach = [0 if o.ablation == "self_only" else o.k for o in asked]
        return Plan(
            rows=torch.tensor(rows, device=device) if partial else None,
            count=len(options),
            max_m=max(o.m for o in asked),
            max_k=max(reach),
            m=each([o.m for o in asked], torch.int64),
            k=each(reach, torch.int64),
            p=each([o.p for o in asked], torch.float32),
            scale=each([heat / o.tau for o, heat in zip(asked, heats, strict=True)], torch.float32),
            own=each([o.own for o in asked], torch.bool),
            normalize=each([o.normalize for o in asked], torch.bool),
            argmax=each([o.mode == "argmax" for o in asked], torch.bool),
            lexical=each([o.ablation == "lexical" for o in asked], torch.bool),
            no_antonyms=each([o.ablation == "no_antonyms" for o in asked], torch.bool),
            random=each([o.ablation == "random" for o in asked], torch.bool),
        )


@dataclass(frozen=True)
class Step:
    """What one step decided, per re-scored row; candidates are in order of their logits, best first.

    `ids` and `logits`: (rows, m). `kept`: which of them the top-m/top-p cut left. `scores`: float32, 0 where
    not kept. `active`: (rows,), False where the step is deferred to ordinary decoding.
    """

    ids: Tensor
    logits: Tensor
    kept: Tensor
    scores: Tensor
    active: Tensor

    @cached_property
    def best(self) -> Tensor:
        """(rows,) place of the best score among the candidates; the likelier token of two equal ones."""
        return self.scores.argmax(-1)

    def choice(self) -> Tensor:
        """(rows,) the token of the best score, or the likeliest token where the step is deferred."""
        place = self.best.masked_fill(~self.active, 0)
        return self.ids.gather(1, place[:, None])[:, 0]


def rescore(
    logits: Tensor,
    table: Table,
    options: Options | Sequence[Options | None],
    *,
    in_place: bool = False,
) -> Tensor:
    """Next-token logits (rows, vocabulary) with semantic sampling applied to each row that has options.

    A re-scored row is -inf but for its candidates: the chosen one in mode "argmax", all of them with
    log(score) / tau in mode "softmax", to be drawn from at temperature 1 without further truncation. A row
    without options, and a deferred one, is unchanged. A token of probability 0 is never chosen. Reduces
    exactly to ordinary decoding for m=1, for k=0 with self, and for a table in which every token is its own
    neighbour.
    """
    asked = [options] * len(logits) if isinstance(options, Options) else options
    plan = Plan.of(asked, logits.device)
    out = logits if in_place else logits.clone()
    if plan is not None:
        apply(out, table, plan)
    return out


def apply(logits: Tensor, table: Table, plan: Plan) -> Step:
    """Re-score in place; returns what was decided. `logits`: (plan.count, vocabulary), any float type."""
    part = logits if plan.rows is None else logits[plan.rows]
    step = decide(part, table, plan)
    values = _values(step, plan).to(part.dtype)
    # adding 0 leaves a deferred row as it is; four times as fast as masked_fill_ with a broadcast mask
    part += torch.zeros(len(part), 1, dtype=part.dtype, device=part.device).masked_fill_(
        step.active[:, None], -torch.inf
    )
    part.scatter_(1, step.ids, values)
    if plan.rows is not None:
        logits[plan.rows] = part
    return step


def decide(logits: Tensor, table: Table, plan: Plan) -> Step:
    """The candidates of each row and their scores. The vocabulary is read twice and never sorted."""
    table.check_vocabulary(logits.shape[-1])
    top, ids, log_sum = _candidates(logits, min(max(plan.max_m, 2), logits.shape[-1]))
    probable = (top - log_sum).exp()
    before = probable.cumsum(-1) - probable
    rank = torch.arange(ids.shape[-1], device=ids.device)
    # a probability of 0 is a mask, whatever finite number it was written with
    kept = (rank < plan.m) & (before < plan.p) & (probable > 0)
    mass, weight = _neighbours(logits, log_sum, ids, table, plan)
    own = torch.as_tensor(plan.own, device=ids.device).to(probable.dtype)
    scores = mass + own * probable
    if plan.normalize is not False:
        scores = _where(plan.normalize, scores / (weight + own).clamp_min(1e-9), scores)
    scores = scores.masked_fill(~kept, 0.0)
    content = table.content[ids] | ~kept
    active = content.all(-1) & kept[:, 0] & (scores.amax(-1) > 0)
    return Step(ids, top, kept, scores, active)


def _candidates(logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Top logits (rows, count) in float32, their ids, and the log of the sum over all (rows, 1)."""
    top, ids = _top(logits, count)
    # equal logits come in any order; greedy decoding takes the first of them, so it must come first here
    if not logits.is_cpu or bool((top[:, :1] == top[:, 1:2]).any()):
        first = logits.argmax(-1, keepdim=True)
        ids = ids.where(ids != first, ids[:, :1])
        ids[:, :1] = first
    top = top.float()
    # as many rows at a time as stay in a core's cache; an accelerator wants all of them at once
    size = max(CACHED // logits.shape[-1], 1) if logits.is_cpu else max(len(logits), 1)
    pairs = zip(logits.split(size), top[:, :1].split(size), strict=True)
    total = torch.cat([(part - best).exp_().sum(-1, keepdim=True) for part, best in pairs])
    return top, ids, top[:, :1] + total.log()


def _top(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`topk`, exact, that looks closely only at the `count` chunks of the vocabulary that peak highest."""
    chunks = logits.shape[-1] // CHUNK
    if chunks <= 2 * count:
        return logits.topk(count, dim=-1)
    whole = logits[:, : chunks * CHUNK].unflatten(1, (chunks, CHUNK))
    # sorted by place, so that equal values keep their order
    likely = whole.amax(-1).topk(count, dim=-1).indices.sort(-1).values
    near = (likely[..., None] * CHUNK + torch.arange(CHUNK, device=logits.device)).flatten(1)
    if logits.shape[-1] > chunks * CHUNK:
        rest = torch.arange(chunks * CHUNK, logits.shape[-1], device=logits.device)
        near = torch.cat([near, rest.expand(len(near), -1)], 1)
    top, place = logits.gather(1, near).topk(count, dim=-1)
    return top, near.gather(1, place)


def _neighbours(
    logits: Tensor, log_sum: Tensor, ids: Tensor, table: Table, plan: Plan
) -> tuple[Tensor, Tensor]:
    """(rows, m): the weighted probability of each candidate's neighbours, and the sum of the weights."""
    if plan.max_k == 0:
        nothing = torch.zeros_like(ids, dtype=torch.float32)
        return nothing, nothing
    table.check_neighbours(plan.max_k)
    near = table.ids[ids, : plan.max_k].long()
    weight = table.weights[ids, : plan.max_k].float()
    if isinstance(plan.k, Tensor):
        weight = weight * (torch.arange(plan.max_k, device=ids.device) < plan.k[..., None])
    if plan.random is not False:
        near = _where(_deep(plan.random), table.random_neighbours(ids, plan.max_k), near)
    if plan.lexical is not False or plan.no_antonyms is not False:
        kinds = table.kinds[ids, : plan.max_k]
        weight = _where(_deep(plan.lexical), weight * ((kinds & LEXICAL) > 0), weight)
        weight = _where(_deep(plan.no_antonyms), weight * ((kinds & ANTONYM) == 0), weight)
    rows, count = ids.shape
    found = logits.gather(1, near.view(rows, -1)).view(rows, count, -1).float()
    mass = ((found - log_sum[..., None]).exp_() * weight).sum(-1)
    return mass, weight.sum(-1)


def _values(step: Step, plan: Plan) -> Tensor:
    """The logits that the candidates get: as they were where deferred."""
    value = step.scores.log() * plan.scale
    if plan.argmax is not False:
        rank = torch.arange(step.ids.shape[-1], device=step.ids.device)
        winner = value.masked_fill(rank != step.best[:, None], -torch.inf)
        value = _where(plan.argmax, winner, value)
    return value.where(step.active[:, None], step.logits)


def _deep(flag: Flag) -> Flag:
    return flag[..., None] if isinstance(flag, Tensor) else flag


def _where(flag: Flag, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(flag, yes, no) if isinstance(flag, Tensor) else yes if flag else no
