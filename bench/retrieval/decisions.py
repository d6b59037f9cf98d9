"""Decisions of the index that can be taken otherwise, to see what each is worth.

The bench takes them in its own process and in its own parser process: nothing of them can be set.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import tasks.embed.stage
import tasks.parse.stage
from tasks.embed import inputs
from tasks.parse.cuts import CHUNK_CHARS
from tasks.parse.tokens import tokens

TextInput = Callable[[str, str, str, str, str], str]


@dataclass(frozen=True, slots=True)
class Decisions:
    """How the index is made. `name` is for tables and keys.

    Attributes:
        name: of the whole.
        chunk_chars: visible characters per chunk at the most.
        text_input: what the text space embeds.
    """

    name: str
    chunk_chars: int = CHUNK_CHARS
    text_input: TextInput = inputs.text_input

    def parser(self) -> list[str]:
        """The command of a parser process, less its limits."""
        return [sys.executable, "-I", "-m", "bench.retrieval.parser", str(self.chunk_chars)]

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, the stages of this process follow them."""
        stages = (tasks.parse.stage, tasks.embed.stage)
        before = [stage.text_input for stage in stages]
        for stage in stages:
            vars(stage)["text_input"] = self.text_input
        try:
            yield
        finally:
            for stage, text_input in zip(stages, before, strict=True):
                vars(stage)["text_input"] = text_input


def _name_only(language: str, name_path: str, _signature: str, _docstring: str, body: str) -> str:
    """Its name without its signature."""
    return inputs.text_input(language, name_path, "", "", body)


def _name_in_words(language: str, name_path: str, signature: str, docstring: str, body: str) -> str:
    """Its name cut into words, above what is embedded anyhow."""
    if language in inputs.PROSE or not name_path:
        return body
    words = " ".join(dict.fromkeys(tokens(name_path.replace("_", " "))))
    return f"{words}\n{inputs.text_input(language, name_path, signature, docstring, body)}"


AS_IS = Decisions("as is")
ALTERNATIVES = (
    Decisions("chunks of 600 characters", chunk_chars=600),
    Decisions("chunks of 2,400 characters", chunk_chars=2_400),
    Decisions("text: the qualified name alone", text_input=_name_only),
    Decisions("text: the name in words above it", text_input=_name_in_words),
)
