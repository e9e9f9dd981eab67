"""A reply of a transformers model while it is being written: `generate` in a thread, its tokens as they come.

Whoever stops reading stops the writing. Knows no messages.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

REPLACEMENT = "\ufffd"


class TokenFeed:
    """A transformers streamer of one reply: puts each new token into a queue, then None."""

    def __init__(self, skip_first: bool) -> None:
        self.tokens: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._skip = skip_first

    def put(self, value: Any) -> None:
        """transformers puts the prompt first, then one token a step."""
        if self._skip:
            self._skip = False
            return
        for token in value.flatten().tolist():
            self.tokens.put(int(token))

    def end(self) -> None:
        self.tokens.put(None)


class Stopping:
    """A transformers stopping criterion: true once nobody listens."""

    def __init__(self) -> None:
        self.wanted = threading.Event()

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        return torch.full((len(input_ids),), self.wanted.is_set(), device=input_ids.device)


def written(generate: Callable[[TokenFeed, Stopping], list[int]], first: bool) -> Iterator[int | list[int]]:
    """Every token as it is written, and last the whole sequence; raises what `generate` raises.

    `first`: the first that `generate` puts is the prompt.
    """
    feed, stopping, ended = TokenFeed(first), Stopping(), _Ended()

    def run() -> None:
        try:
            ended.tokens = generate(feed, stopping)
        except BaseException as error:
            ended.error = error
        finally:
            feed.end()

    thread = threading.Thread(target=run, name="generate", daemon=True)
    thread.start()
    try:
        while (token := feed.tokens.get()) is not None:
            yield token
    finally:
        stopping.wanted.set()
    thread.join()
    if ended.error is not None:
        raise ended.error
    yield ended.tokens


class _Ended:
    """How the thread ended."""

    tokens: list[int]
    error: BaseException | None = None


class Telling:
    """Gives what is new of a growing text. What may yet change is held back: space at the end, a character
    of which not all bytes are there, the beginning of a stop word.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.told, self._stop = "", tuple(stop)

    def feed(self, text: str) -> str:
        sure = text.lstrip()
        for word in self._stop:
            sure = sure.split(word, 1)[0]
        for word in self._stop:
            sure = sure[: len(sure) - _begun(sure, word)]
        return self._new(sure.rstrip(f"{REPLACEMENT} \t\r\n"))

    def end(self, text: str) -> str:
        """The rest of the finished text."""
        return self._new(text)

    def _new(self, text: str) -> str:
        delta = text[len(self.told) :] if text.startswith(self.told) else ""
        self.told += delta
        return delta


def _begun(text: str, word: str) -> int:
    """How many characters at the end of `text` begin `word`."""
    return next((n for n in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:n])), 0)
