"""Two servers on one models/mace: the same job at the same time, and its erasure saved under one name."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from dev.faults.job import METHODS, NAME, saved_often
from dev.faults.lab import Lab, Tally
from dev.faults.server import FILES

TIMES = 60  # that each server saves its erasure


def two_servers(lab: Lab, tally: Tally) -> None:
    """Two servers share one models/mace. Both do the job at the same time, with nothing in the caches, and
    save its erasure 60 times under one name: 120 files with the numbers 1 to 120, all of them right."""
    expected = lab.reference.results[METHODS[0]].erasure
    with lab.server("first") as first, lab.server("second", first.mace) as second:
        servers = (first, second)
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(lambda server: server.client.run(saved_often(TIMES)), servers))
        files = sorted(first.mace.glob(FILES))
        names = [f"{NAME}_{number:05}.safetensors" for number in range(1, 2 * TIMES + 1)]
        for name in names:
            tally.check("saved files", first.mace / name in files, name)
        tally.check("no other file", len(files) <= len(names), len(files))
        for path in files:
            tally.check("right files", sha256(path.read_bytes()).hexdigest() == expected, path.name)
        for server in servers:
            lab.recovered(server, tally)
