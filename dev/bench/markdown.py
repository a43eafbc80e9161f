"""Rows of generated tables, and such tables in hand-written pages, between two markers."""

from collections.abc import Mapping


def row(*cells: object) -> str:
    """A row of a Markdown table; floats have one digit."""
    return "| " + " | ".join(f"{each:.1f}" if isinstance(each, float) else str(each) for each in cells) + " |"


def with_error(figures: Mapping[str, float], value: str, error: str = "") -> str:
    """A figure with its standard error, `value` + "_error" unless named; empty if it was not measured."""
    if value not in figures:
        return ""
    error = error or f"{value}_error"
    return f"{figures[value]:.1f}" + (f" \u00b1 {figures[error]:.1f}" if error in figures else "")


def with_marked(text: str, begin: str, end: str, table: str) -> str:
    """`text` with `table` between its markers. Raises ValueError if a marker is missing."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"The page has no markers '{begin}' and '{end}': put both back, in this order.")
    return f"{before}{begin}\n\n{table}\n{end}{after}"
