"""One module per table of the graph-driver store: bytes in, values out; no judging beyond the format."""
