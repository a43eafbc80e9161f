"""Tables that commands write into hand-written pages, between two markers."""


def with_marked(text: str, begin: str, end: str, table: str) -> str:
    """`text` with `table` between its markers. ValueError when a marker is not there."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"The page has lost its markers: put '{begin}' and '{end}' back.")
    return f"{before}{begin}\n\n{table}\n{end}{after}"
