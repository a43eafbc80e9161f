"""Generated tables in hand-written pages, between two markers."""


def with_marked(text: str, begin: str, end: str, table: str) -> str:
    """`text` with `table` between its markers. Raises ValueError if a marker is missing."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"The page has no markers '{begin}' and '{end}': put both back, in this order.")
    return f"{before}{begin}\n\n{table}\n{end}{after}"
