"""File names from a graph stay inside their folder, and new names are valid on every operating system."""

import pytest

from mace_core.files.names import LONGEST, new_parts_of, parts_of


@pytest.mark.parametrize(
    "name", ["ship", "people/singers", "a\\b", "N.W.A", "no ships", "caf\u00e9", "\u732b"]
)
def test_plain_names(name):
    assert parts_of(name, "models/mace") == name.replace("\\", "/").split("/")


ESCAPES = (
    "",
    " ",
    "../x",
    "a/../b",
    "/etc/passwd",
    "C:\\x",
    "c:x",
    "./a",
    "a//b",
    "a/",
    "..",
    "a\\..\\b",
    "a\0b",
)


@pytest.mark.parametrize("guard", [parts_of, new_parts_of])
@pytest.mark.parametrize("name", [*ESCAPES, "a\0b"])
def test_what_leaves_the_folder_is_refused(guard, name):
    with pytest.raises(ValueError, match=r"name|character") as error:
        guard(name, "models/mace")
    assert "\0" not in str(error.value) and str(error.value).endswith(".")


SPECIAL = (
    *("a\nb", "a\x1b[31m", "a\u202etxt", "a?b", "a*", "a|b", "a<b>", 'a"b', "a\\b", "\ud800"),
    *("c:x", "a\u00a0b", "a\u2028b"),
)
UNUSABLE = (
    *("CON", "NUL.txt", "nul.txt", "people/Com1", "lpt\u00b9", "name.", "a. ", "a/b./c", "name ", " name"),
    ".hidden",
)


@pytest.mark.parametrize(
    "name, reason",
    [
        *((name, "contains a character") for name in SPECIAL),
        *((name, "cannot be the name") for name in UNUSABLE),
        ("x" * (LONGEST + 1), f"takes {LONGEST + 1} bytes and can take {LONGEST}"),
        ("\u732b" * LONGEST, f"takes {3 * LONGEST} bytes"),
        ("a/" * 200 + "b", "takes 401 bytes"),
    ],
)
def test_new_names_are_valid_on_every_system(name, reason):
    with pytest.raises(ValueError, match=reason) as error:
        new_parts_of(name, "models/mace")
    said = str(error.value)
    said.encode()  # a lone surrogate could not even be logged
    assert said.isprintable() and len(said) < 260


def test_the_longest_new_name():
    assert new_parts_of("x" * LONGEST, "models/mace") == ["x" * LONGEST]
