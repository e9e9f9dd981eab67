"""A chat as clients of OpenAI's protocol hold it, on sessions: they send all of it each time.

A chat that goes on where a session of the same caller stands continues that session, evidence and all; any
other (edited, branched, from elsewhere) begins a new one with all its images and what was said as text.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
from collections.abc import Sequence
from hashlib import sha256
from typing import IO, Any

from foveate import prompts
from foveate.agent.budget import MAX_QUESTION
from foveate.agent.service.chat_schemas import ChatRequest, Message
from foveate.agent.service.core import Core
from foveate.agent.service.fetch import fetch
from foveate.agent.service.live import Live
from foveate.agent.service.problems import Problem
from foveate.agent.service.questions import Question
from foveate.agent.service.schemas import overlay_addresses

MODEL = "foveate"
HISTORY = 4000
"""Characters of what was said before that go into the question of a new session."""


async def asked(core: Core, owner: str, chat: ChatRequest) -> Live:
    """The turn that answers the chat's last message. Raises Problem."""
    if chat.model not in (MODEL, core.settings.model):
        raise Problem("not-found", f"There is no model of that name; the model is {MODEL}.")
    said = [message for message in chat.messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user" or not said[-1].text.strip():
        raise Problem("invalid", "The last message must be the user's, with a question as text.")
    session = await _standing(core, owner, said[:-1])
    if session is not None:
        await _upload(core, session, said[-1:])
        question = Question(question=_cut(said[-1].text))
        return await core.turns.ask(owner, session, question, tokens=chat.stream)
    return await _anew(core, owner, said, chat.stream)


async def note(core: Core, owner: str, chat: ChatRequest, live: Live, reply: str) -> None:
    """Remembers where the chat stands, so that its next message finds the session."""
    said = [message for message in chat.messages if message.role in ("user", "assistant")]
    digest = _digest([*said, Message(role="assistant", content=reply)])
    sql = (
        "INSERT INTO chats VALUES (?, ?, ?, ?) ON CONFLICT (owner, digest)"
        " DO UPDATE SET session = excluded.session, turns = excluded.turns"
    )
    await core.database.run((sql, (digest, owner, live.session, live.number)))


async def _standing(core: Core, owner: str, said: Sequence[Message]) -> str | None:
    """The session that stands exactly where the chat does before its last message."""
    rows = await core.database.fetch(
        "SELECT session, turns FROM chats WHERE owner = ? AND digest = ?", owner, _digest(said)
    )
    if not rows or await core.ledger.session(owner, rows[0]["session"]) is None:
        return None
    turns = await core.ledger.turns(rows[0]["session"])
    stands = len(turns) == rows[0]["turns"] and all(turn["status"] != "running" for turn in turns)
    return str(rows[0]["session"]) if stands else None


async def _anew(core: Core, owner: str, said: Sequence[Message], tokens: bool) -> Live:
    if not any(message.images for message in said):
        raise Problem("invalid", "Send at least one image, as a data URL in an image_url part.")
    session = await core.new_session(owner, "chat")
    try:
        await _upload(core, session, said)
        question = Question(question=_with_history(core, said))
        return await core.turns.ask(owner, session, question, tokens=tokens)
    except BaseException:
        await core.delete_session(session)
        raise


def _with_history(core: Core, said: Sequence[Message]) -> str:
    question, before = _cut(said[-1].text), said[:-1]
    # the small model has learnt questions and nothing else; what was said before would only confuse it
    if not before or core.turns.agent.profile.style == "compact":
        return question
    lines = "\n".join(f"{message.role}: {message.text}" for message in before).replace(">>>", "> > >")
    room = min(HISTORY, MAX_QUESTION - len(question) - 400)
    return (
        prompts.fill("chat_history.txt", history=lines[-room:], question=question) if room > 0 else question
    )


def _cut(text: str) -> str:
    if len(text.strip()) > MAX_QUESTION:
        raise Problem("invalid", f"The question is longer than {MAX_QUESTION} characters; shorten it.")
    return text.strip()


async def _upload(core: Core, session: str, said: Sequence[Message]) -> None:
    for url in dict.fromkeys(url for message in said for url in message.images):
        await core.upload(session, [await _bytes(core, url)])


async def _bytes(core: Core, url: str) -> IO[bytes]:
    if not url.startswith("data:"):
        return await asyncio.to_thread(fetch, url, core.settings.url_hosts, core.settings.bounds.chat_body)
    head, _, body = url.partition(",")
    if not head.endswith(";base64"):
        raise Problem("invalid", "An image's data URL is data:image/TYPE;base64,DATA.")
    try:
        return io.BytesIO(await asyncio.to_thread(base64.b64decode, body, validate=True))
    except (binascii.Error, ValueError):
        raise Problem("invalid", "The image's data URL does not hold base64; encode it anew.") from None


def _digest(said: Sequence[Message]) -> str:
    """Of who said what, and of the images' content."""
    digest = sha256()
    for message in said:
        for field in (message.role, message.text.strip(), *message.images):
            digest.update(sha256(field.encode()).digest())
        digest.update(b"\n")
    return digest.hexdigest()


def readable(result: dict[str, Any]) -> str:
    """The answer with its evidence as text, for clients that show nothing else."""
    numbers = {image["id"]: number for number, image in enumerate(result["images"], 1)}
    lines = [_line(found, numbers) for found in result["evidence"]]
    return "\n".join([result["answer"], *(["", "Evidence:"] if lines else []), *lines])


def _line(found: dict[str, Any], numbers: dict[str, int]) -> str:
    box = ", ".join(f"{value:g}" for value in (round(v, 1) for v in found["box"]))
    score = "" if found["score"] is None else f", score {found['score']:.2f}"
    where = f"image {numbers.get(found['image'], '?')}, {found['plane']} slice {found['slice']}"
    return f"- {found['id']} {found['label']}: {where}, box [{box}] in source pixels{score}"


def extra(live: Live, result: dict[str, Any]) -> dict[str, Any]:
    """The documented extra field of a completion."""
    names = ("claims", "evidence", "steps", "abstained", "reason", "confidence", "stopped_by", "notice")
    return {
        "session": live.session,
        "turn": live.number,
        **{name: result[name] for name in names},
        "overlays": overlay_addresses(live.session, live.number, result),
    }
