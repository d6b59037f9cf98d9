"""Docstrings and names are taken out, and nothing else."""

import ast

import pytest

from bench.retrieval.stripping import Mask, bare_strings, mask, strip


@pytest.mark.parametrize(
    ("source", "stripped"),
    [
        ('"""Module."""\nx = 1\n', "x = 1\n"),
        ('def f():\n    """One\n    two."""\n    return 1\n', "def f():\n    return 1\n"),
        ('def f():\n    """All."""\n', "def f():\n    pass\n"),
        ('def f(): "All."\n', "def f(): pass\n"),
        ('def f(): "a"; return 1\n', "def f(): pass; return 1\n"),
        ('class A:\n    x = 1\n    """Of x."""\n', "class A:\n    x = 1\n"),
        ('def f():\n    "é"  # why\n    return 1\n', "def f():\n    # why\n    return 1\n"),
        ('def f():\n    "a"\n    "b"\n', "def f():\n    pass\n"),
        ('try:\n    "a"\nfinally:\n    "b"\n', "try:\n    pass\nfinally:\n    pass\n"),
        ('x = """kept"""  # and "this"\n', 'x = """kept"""  # and "this"\n'),
        ('x = 1\f\n"""a"""\ny = 2\n', "x = 1\f\ny = 2\n"),
    ],
)
def test_a_string_that_is_a_statement_goes_and_the_rest_stays(source: str, stripped: str) -> None:
    """Lines that it has to itself go with it; a body never becomes empty."""
    assert strip(source) == stripped
    assert bare_strings(ast.parse(stripped)) == 0


def test_a_name_is_masked_on_the_lines_of_its_function_only() -> None:
    """Callers keep it, and so do strings and longer names."""
    source = "def load(a):\n    '''load'''\n    return a.load() + loads(load)\n\n\nx = load(1)\n"

    masked = mask(source, [Mask(1, 3, "load", "f7")])

    assert masked == (
        "def f7(a):\n    '''load'''\n    return a.f7() + loads(f7)\n\n\nx = load(1)\n"
    )
