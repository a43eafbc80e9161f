"""The command line, `python -m mace_erase --help`: runs the nodes in this process, without a server."""
