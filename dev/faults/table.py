"""All faults, in the order of the page. Each gets a Lab and counts what it finds in a Tally."""

from collections.abc import Callable

from dev.faults.caches import damaged, deleted, foreign
from dev.faults.disks import full_disk, read_only
from dev.faults.injected import clock, not_a_number
from dev.faults.lab import Lab, Tally
from dev.faults.memory import memory_limit, out_of_memory
from dev.faults.shared import two_servers
from dev.faults.stopped import cancel, kill

Fault = Callable[[Lab, Tally], None]
FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        kill,
        cancel,
        full_disk,
        read_only,
        out_of_memory,
        memory_limit,
        not_a_number,
        damaged,
        foreign,
        deleted,
        two_servers,
        clock,
    )
}
