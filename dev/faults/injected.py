"""Faults from inside the server, by `injector/`: NaN, and the clock goes back."""

import os
import time
from pathlib import Path

from dev.faults.job import METHODS, stages_only, whole, with_nan
from dev.faults.lab import Lab, Tally
from dev.faults.server import CACHES, Server

MOMENTS = 6
HOUR, DAYS = 3600, 10 * 24 * 3600
LAYERS = (
    "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_v",
    "diffusion_model.input_blocks.1.0.in_layers.2",
)
MORE_THAN_FITS = 9 * 2**30  # bytes: beyond the limit of every cache


def not_a_number(lab: Lab, tally: Tally) -> None:
    """NaN on a layer of the MODEL: on an attention layer, then on one before any attention. The run must end
    with one sentence, and nothing that comes from images can be cached."""
    with lab.server("not_a_number") as server:
        for method in METHODS:
            for layer in LAYERS:
                server.forget()
                prompt = server.client.submit(with_nan(stages_only(whole(method)), layer))
                tally.check("one sentence", *server.ended_with(prompt, "NaN"))
                made = [path.name for path in server.cached() if path.parent.name != "cache"]
                tally.check("nothing of it cached", not made, ", ".join(made))
                lab.recovered(server, tally, method)


def clock(lab: Lab, tally: Tally) -> None:
    """The server's clock (time.time and time.time_ns) goes back by ten days at a random moment of a run. Then
    some of the results are removed and the others dated ten days ahead, and each cache gets a file that
    exceeds its limit, dated an hour before them. The next run must remove this file and no result, and the
    run after it must find all."""
    with lab.server("clock") as server:
        for method, seconds in lab.moments("clock", MOMENTS):
            server.forget()
            server.inject(clock=0.0)
            prompt = server.client.submit(whole(method))
            time.sleep(seconds)
            server.inject(clock=-DAYS)
            image = server.client.wait(prompt)["outputs"]["erased"]["text"][0]
            tally.check("run goes on", image == lab.reference.results[method].image, image)
            excess = _in_the_future(server)
            lab.recovered(server, tally, method)
            tally.check("file in excess removed", not any(path.exists() for path in excess))
            since = server.position()
            lab.recovered(server, tally, method)
            told = server.warnings(since, "3 of 3 concepts are in the cache")
            tally.check("new results found", len(told) == 2, dict(told))


def _in_the_future(server: Server) -> list[Path]:
    """Remove some of the results and date the others ahead; returns a file per cache that exceeds its
    limit."""
    excess = [server.mace / cache / f"excess-{'0' * 32}.safetensors" for cache in CACHES]
    server.forget_some()
    for path in excess:
        with path.open("wb") as file:
            file.truncate(MORE_THAN_FITS)  # takes no space
    ahead = time.time() + DAYS
    for path in server.cached():
        used = ahead - HOUR * (path in excess)
        os.utime(path, (used, used))
    return excess
