"""From what is measured to ten thousand concepts: formulas only, so that other cards are one number away."""

from __future__ import annotations

from dataclasses import dataclass

from dev.fullsize.families import FAMILIES

CONCEPTS = 10_000
CARDS = (8, 64)
# Assumed: seconds of one training image of the family's size (30 steps with CFG) on one GPU.
ASSUMED = {"sd15": 1.5, "sd21": 3.0, "sdxl": 6.0}
BACKWARD = 3.5  # assumed: a training step takes as long as so many passes
PROMPTS_PER_SECOND = 1000  # assumed: text encoder of the driver's GPU
DRIVER_GIB = 64  # assumed memory of the driver
CACHE_GIB = 8  # nodes/host/stores.py: of training images, and again of LoRAs
GIB = 1024  # MiB


@dataclass(frozen=True)
class Inputs:
    """What is measured for one family: by `passes.py` (counted), by `driver.py` (driver, store), and by
    `make fullsize` (closed_form)."""

    name: str
    counted: dict
    driver: dict
    closed_form: dict
    store: dict

    @property
    def pixels(self) -> int:
        return FAMILIES[self.name].pixels

    @property
    def d(self) -> int:
        return FAMILIES[self.name].d

    def images_per_concept(self, method: str) -> float:
        """What drawing and training take, in units of one training image."""
        of_image = 2 * self.counted["steps"]
        trains = self.counted[method] * (BACKWARD if method == "exact" else 1)
        return (self.counted["draw"] + trains) / of_image

    def card_hours(self, cards: int, method: str = "fast", n: int = CONCEPTS) -> float:
        return n / cards * self.images_per_concept(method) * ASSUMED[self.name] / 3600

    def driver_hours(self, n: int = CONCEPTS) -> dict[str, float]:
        """What the driver does alone, by what it does."""
        closed_form = self.closed_form["cpu_seconds"] / self.closed_form["concepts"]
        seconds = {
            "text encoder": n * self.counted["prompts"] / PROMPTS_PER_SECOND,
            "closed form": n * closed_form,
            "masks and previews": 2 * n * self.counted["mask_seconds"][str(self.pixels)],
            "keys of the cache": n * self.driver["hash_seconds"],
            "files of the cache": self._cache_seconds(n),
            "fusion": n * self.driver["fusion_seconds_per_concept"],
        }
        return {what: value / 3600 for what, value in seconds.items()}

    def balanced(self) -> float:
        """The number of GPUs with which workers take as long as the driver, with the fast trainer."""
        return self.card_hours(1) / sum(self.driver_hours().values())

    def _cache_seconds(self, n: int) -> float:
        """Two folders; finding and keeping take longer in a larger one."""
        (few, one), (many, other) = ((int(count), each) for count, each in self.store.items())
        total = 0.0
        for what in ("keep", "find"):
            slope = max(0.0, other[what] - one[what]) / (many - few)
            total += 2 * (n * max(0.0, one[what] - slope * few) + slope * n**2 / 2)
        return total

    def network_gib(self, n: int = CONCEPTS) -> float:
        each = self.driver["images_mib"] + self.driver["orders_mib"] + self.driver["lora_mib"]
        return n * each / GIB

    def driver_mib(self) -> float:
        """Per concept, while the nodes run: its images, masks and LoRA, and the images and masks that the
        nodes output as float32."""
        pixels = self.counted["images"] * self.pixels**2 / 2**20
        masks, shown = 4 * pixels, 12 * pixels
        return self.driver["images_mib"] + masks + self.driver["lora_mib"] + masks + shown

    def erasure_mib(self, n: int = CONCEPTS) -> float:
        """The file: T and the whitening, then low-rank edits and prototypes, one phrase per concept."""
        return 2 * self.driver["whitening_mib"] + n * (self.driver["edit_mib"] + self.driver["gate_mib"])

    def dense_beyond(self) -> int:
        """The number of concepts beyond which one dense difference per key is smaller than their edits."""
        layers = [(o, count // 2) for o, count in FAMILIES[self.name].widths.items()]
        dense = sum(o * self.d * count for o, count in layers)
        return dense // sum((o + self.d) * count for o, count in layers)

    def limits(self) -> dict[str, float]:
        """What ends at how many concepts."""
        return {
            f"{DRIVER_GIB} GiB of memory of the driver": DRIVER_GIB * GIB / self.driver_mib(),
            f"{CACHE_GIB} GiB of cached training images": CACHE_GIB * GIB / self.driver["images_mib"],
            f"{CACHE_GIB} GiB of cached LoRAs": CACHE_GIB * GIB / self.driver["lora_mib"],
            "low-rank edits smaller than dense ones": self.dense_beyond(),
            "as many directions as concepts (d)": self.d,
            "20,000 targets and synonyms of a list": 20_000,
        }
