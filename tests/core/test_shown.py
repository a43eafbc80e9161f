"""Values of users in sentences: one short line that any log can hold."""

import ast
from pathlib import PurePosixPath

import pytest

from mace_core.files.shown import MOST, one_line, shown, shown_each


@pytest.mark.parametrize(
    "value, said",
    [
        ("ship", "'ship'"),
        ("caf\u00e9 \u732b", "'caf\u00e9 \u732b'"),
        ("a\nb\x00\x1b[31m", r"'a\nb\x00\x1b[31m'"),
        ("exe\u202etxt", r"'exe\u202etxt'"),
        ("\ud800", r"'\ud800'"),
        ("it's", "'it's'"),
        (7, "7"),
        (None, "None"),
        (PurePosixPath("a/b"), "'a/b'"),
        (PurePosixPath("/x" * 99 + "/last"), "'..." + "/x" * 36 + "/last'"),
        (["\ud800"], r"['\ud800']"),
    ],
)
def test_one_line_that_can_be_logged(value, said):
    assert shown(value) == said
    assert shown(value).encode() and shown(value).isprintable()


@pytest.mark.parametrize("text", ["x" * 4_000_000, "\ud800" * 4_000_000, "\n" * 100])
def test_long_texts_are_shortened(text):
    assert len(one_line(text)) == MOST and one_line(text).endswith("...")


def test_a_long_list_is_counted():
    assert shown_each("ab") == "'a', 'b'" and shown_each([]) == ""
    assert shown_each(map(str, range(100))) == "'0', '1', '2', '3', '4' and 95 more"


CONSTANTS = {"delimiter", "one_line(value)"}


def between_quotes(text: ast.JoinedStr) -> list[ast.FormattedValue]:
    """The values of an f-string that stand between quotes, or are shown as repr."""
    plain = [each.value if isinstance(each, ast.Constant) else "" for each in text.values]
    return [
        value
        for before, value, after in zip(["", *plain], text.values, [*plain[1:], ""])
        if isinstance(value, ast.FormattedValue)
        and (before.endswith("'") and after.startswith("'") or value.conversion == ord("r"))
    ]


@pytest.mark.parametrize("room", ["mace_core", "nodes", "mini"])
def test_every_sentence_shows_its_values_this_way(repository, room):
    """In any other way, a value could be long, have more than a line, or end the host when it is logged."""
    wrong = [
        f"{path.relative_to(repository)}:{value.lineno}"
        for path in (repository / room).rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.JoinedStr)
        for value in between_quotes(text)
        if ast.unparse(value.value) not in CONSTANTS
    ]
    assert not wrong, wrong
