"""Ten thousand spoilt sources through the parser's sandbox: the worker survives all of them."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import ParseError
from tasks.parse.document import ParsedFile
from tasks.parse.languages import LANGUAGES
from tasks.parse.sandbox import Sandbox

INPUTS = 10_000
LONGEST = 2_000  # characters: many small inputs find more than a few large ones
SAMPLES = Path(__file__).parents[1] / "unit/parse/samples"
GOOD = "def still_alive():\n    return 1\n"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """With the limits of a worker, but less patience."""
    sandbox = Sandbox(parse_seconds=1.0, memory_mib=1024, files_per_process=2_000)
    yield sandbox
    sandbox.close()


def test_no_input_ends_the_worker(sandbox: Sandbox) -> None:
    """Each gives a parsed file or a typed error; the next file is parsed as if nothing had been."""
    chance, seeds = random.Random(20), [path.read_text() for path in SAMPLES.glob("*.txt")]
    failed, pid = 0, os.getpid()
    for number in range(INPUTS):
        source, language = spoilt(chance, seeds), chance.choice(LANGUAGES)
        try:
            assert_inside(sandbox.parse(source, language), source)
        except ParseError:
            failed += 1
        if number % 500 == 0:
            [chunk] = sandbox.parse(GOOD, "python").chunks
            assert chunk.name == "still_alive"

    assert os.getpid() == pid
    assert failed < INPUTS / 100  # they are spoilt, but grammars are tolerant


def spoilt(chance: random.Random, seeds: list[str]) -> str:
    """Random bytes, or a real source that was cut, doubled, shuffled or sprinkled."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randint(0, LONGEST)).decode(errors="replace")
    text = chance.choice(seeds)
    start = chance.randrange(len(text))
    text = text[start : start + LONGEST // 2]
    for _ in range(chance.randint(1, 8)):
        at, width = chance.randint(0, len(text)), chance.randint(0, 40)
        piece = text[at : at + width]
        match chance.randrange(5):
            case 0:
                text = text[:at] + text[at + width :]
            case 1:
                text = text[:at] + piece * chance.randint(2, 8) + text[at:]
            case 2:
                text = text[:at] + piece[::-1] + text[at + width :]
            case 3:
                text = (
                    text[:at]
                    + chance.choice("(){}[]<>\"'`\\\0\r\n\t\ufeff\u202e\ud7ff#/*")
                    + text[at:]
                )
            case _:
                other = chance.choice(seeds)
                text = text[:at] + other[chance.randrange(len(other)) :][:width] + text[at:]
    return text[:LONGEST]


def assert_inside(parsed: ParsedFile, source: str) -> None:
    """Chunks lie in order inside the source."""
    end = 0
    for chunk in parsed.chunks:
        assert end <= chunk.start_byte <= chunk.end_byte
        end = chunk.end_byte
    assert end <= len(source.encode())
