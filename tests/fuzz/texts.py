"""Strategies: texts that people type or paste, and what breaks readers of them."""

from hypothesis import strategies as st

WORDS = (
    "ship",
    "the ship",
    "sea",
    "Van Gogh",
    "caf\u00e9",
    "\u732b",
    "\U0001f468\u200d\U0001f469",
    "C#",
    "x" * 30,
)
MARKS = (
    "->",
    "=>",
    "\u2192",
    "(",
    ")",
    ",",
    ";",
    ":",
    "#",
    "\\",
    "\\(",
    '"',
    "'",
    "|",
    "{",
    "}",
    "[",
    "]",
    "-",
    "*",
    "&",
)
UNSEEN = (
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "  ",
    "\u00a0",
    "\u200b",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\x85",
    "\0",
    "\x1b",
    "\ud800",
)
KINDS = ("style:", "person:", "explicit:", "object:", "prompt:", "colour:")

pieces = st.sampled_from((*WORDS, *MARKS, *UNSEEN, *KINDS))
typed = st.one_of(
    st.lists(pieces, max_size=60).map("".join),
    st.lists(st.lists(pieces, max_size=8).map(" ".join), max_size=12).map(" -> sea\n".join),
    st.text(st.characters(), max_size=200),
    st.builds(lambda piece, count: piece * count, pieces, st.integers(0, 3000)),
    st.builds(lambda a, piece, count, b: a + piece * count + b, pieces, pieces, st.integers(0, 3000), pieces),
)
names = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Zs"), exclude_characters="\\"
    ),
    min_size=1,
    max_size=20,
).filter(lambda name: name == name.strip())
