"""Erasures on disk: one safetensors file, with a checksum for every tensor (docs/erasure_format.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..concepts.concepts import Concept
from ..files.atomic import written_whole
from ..files.hashes import tensor_hash, text_hash
from ..files.layout import Layout
from ..files.plain_json import loads
from ..files.records import Record
from ..files.shown import shown
from ..files.tensor_file import (
    DamagedFile,
    Header,
    NoTensorFile,
    TruncatedFile,
    read_header,
    read_tensor,
    tensor_bytes,
)
from ..training.factors import LowRank
from .erasure import Erasure, ErasureSettings
from .gate import HARDENED, Gate, gate_shapes
from .pooled import PooledEdit, PooledGate, pooled_gate_shapes

FORMAT_VERSION = 2
WITHOUT_GATE = 1  # the version of a file without a gate, which earlier packs can read
GATE, POOLED = "gate.", "pooled."
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
_DESCRIPTION, _CHECKSUM = "mace_erasure", "mace_erasure_sha256"  # the two metadata entries
WIDEST = 16_384  # of the width of a text encoder or a layer; SDXL has 2048
RANKS = 64  # of the LoRA of one concept, as in the node
_FACTOR = ((torch.float32, torch.float16), 2)
_LAYOUT = Layout({"T": ((torch.float32,), 2), "U.*": _FACTOR, "D.*": _FACTOR})
_GATE = {"centres": 2, "whitening": 2, "prototypes": 3, "ramps": 3}  # dimensions
_HARDENED = dict(zip(HARDENED, (3, 3, 2), strict=True))
_EDIT = {"up": 2, "down": 2}
_POOLED = {**_EDIT, "centre": 1, "spread": 2, "prototypes": 2, "ramps": 2}
_PARTS = {
    part: {f"{start}{name}": ((torch.float32,), count) for name, count in counts.items()}
    for part, start, counts in ((GATE, GATE, _GATE), (HARDENED, GATE, _HARDENED), (POOLED, POOLED, _POOLED))
}


@dataclass(frozen=True)
class Description(Record):
    """Everything in the file but the tensors. sha256: tensor name -> its checksum."""

    format_version: int
    pack_version: str
    concepts: tuple[Concept, ...]
    settings: ErasureSettings
    text_encoder: str
    base: str
    sha256: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.format_version < 1:
            raise ValueError(f"the format version is {self.format_version}, but must be 1: make it again.")


def save_erasure(erasure: Erasure, path: str | Path, precision: str = "float32") -> None:
    """Write ``erasure`` to ``path``, completely or not at all. The folder must exist.

    ``precision``: a key of PRECISIONS, for U and D; T, which every layer depends on, is always float32.
    Raises ValueError if float16 cannot hold a factor.
    """
    tensors = {"T": erasure.T, **_stored_factors(erasure.low_rank, PRECISIONS[precision])}
    if erasure.gate is not None:
        tensors |= {f"{GATE}{name}": tensor for name, tensor in erasure.gate.state().items()}
    if erasure.pooled is not None:
        pooled = {"up": erasure.pooled.up, "down": erasure.pooled.down, **erasure.gate.pooled.state()}
        tensors |= {f"{POOLED}{name}": tensor for name, tensor in pooled.items()}
    description = Description(
        WITHOUT_GATE if erasure.gate is None else FORMAT_VERSION,
        erasure.version,
        erasure.concepts,
        erasure.settings,
        erasure.text_encoder,
        erasure.base,
        {name: tensor_hash(tensor).hexdigest() for name, tensor in tensors.items()},
    )
    text = json.dumps(description.to_json() | {"settings": erasure.settings.to_json()}, sort_keys=True)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(tensor_bytes(tensors, {_DESCRIPTION: text, _CHECKSUM: text_hash(text)}))


def load_erasure(path: str | Path) -> Erasure:
    """Read an erasure. Tensors are bit-identical to those saved; factors stored as float16 become float32.

    The header is checked first, so that nothing of another file is read. Raises ValueError: no such file, not
    a safetensors file, a truncated or damaged file, a safetensors file of another kind, a file of a newer
    version of this pack, or one of another form than docs/erasure_format.md.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"There is no erasure file {shown(path.name)}: save one first or choose another name."
        )
    try:
        with path.open("rb") as file:
            header = read_header(file)
            description = _description(header, path.name)
            _check_form(header, description, f"the erasure {shown(path.name)}")
            tensors = {}
            for name, stored in header.tensors.items():
                tensors[name] = read_tensor(file, stored)
                if tensor_hash(tensors[name]).hexdigest() != description.sha256[name]:
                    raise DamagedFile("another checksum")
    except OSError as error:
        raise ValueError(f"{shown(path.name)} cannot be read ({error.strerror}): check the file.") from None
    except DamagedFile as error:
        raise _told(error, path.name) from None
    return Erasure(
        tensors["T"],
        LowRank.from_state(tensors).to(torch.float32),
        description.concepts,
        description.settings,
        description.text_encoder,
        description.base,
        description.pack_version,
        *_gate_and_pooled(tensors),
    )


def _gate_and_pooled(tensors: Mapping[str, Tensor]) -> tuple[Gate | None, PooledEdit | None]:
    gate, pooled = (
        {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}
        for start in (GATE, POOLED)
    )
    if not gate:
        return None, None
    if not pooled:
        return Gate(**gate), None
    edit = PooledEdit(*(pooled.pop(name) for name in _EDIT))
    return Gate(**gate, pooled=PooledGate(**pooled)), edit


def _stored_factors(low_rank: LowRank, dtype: torch.dtype) -> dict[str, Tensor]:
    if dtype != torch.float32:
        low_rank = LowRank({layer: balanced(*factors) for layer, factors in low_rank.items()}).to(dtype)
    for layer, factors in low_rank.items():
        if not all(factor.isfinite().all() for factor in factors):
            raise ValueError(
                f"The factors of the layer {shown(layer)} are too large for float16: save them as float32."
            )
    return low_rank.state()


def balanced(U: Tensor, D: Tensor) -> tuple[Tensor, Tensor]:
    """The same product U D, U ``[o, q]`` and D ``[q, d]``, from factors of about equal size.

    Each column of U is multiplied and its row of D divided by the same power of two, which rounds nothing:
    fusion makes rows of D so small that float16 would lose them.
    """
    ratio = (D.norm(dim=1) / U.norm(dim=0)).log2() / 2
    scale = torch.where(ratio.isfinite(), ratio.round(), 0.0).exp2()
    return U * scale, D / scale[:, None]


def _description(header: Header, name: str) -> Description:
    """The description in the header of a safetensors file."""
    text = header.metadata.get(_DESCRIPTION)
    if text is None:
        raise ValueError(
            f"{shown(name)} is a safetensors file of another kind, without the description of an "
            "erasure: choose a file written by the node 'Save Erasure'."
        )
    if hashlib.sha256(text.encode(errors="replace")).hexdigest() != header.metadata.get(_CHECKSUM):
        raise DamagedFile("another checksum")
    try:
        found = loads(text)
    except ValueError:
        raise ValueError(f"The description in {shown(name)} is not JSON: make the file again.") from None
    version = found.get("format_version") if isinstance(found, dict) else None
    if type(version) in (int, float) and version > FORMAT_VERSION:
        raise ValueError(
            f"{shown(name)} has format version {shown(version)} and this pack reads up to {FORMAT_VERSION}: "
            "update the pack."
        )
    return Description.from_json(found, f"The description in {shown(name)}")


def _check_form(header: Header, description: Description, what: str) -> None:
    """Raise ValueError, with the name of the file in ``what``, if the tensors cannot be those of an erasure,
    and DamagedFile if they are others than in the description."""
    tensors = header.tensors
    if tensors.keys() != description.sha256.keys():
        raise DamagedFile("other tensors")
    there = {part for part, names in _PARTS.items() if any(name in tensors for name in names)}
    if there:
        there.add(GATE)  # a pooled or hardened part without a gate lacks its tensors
    Layout(_LAYOUT.tensors | {name: form for part in there for name, form in _PARTS[part].items()}).check(
        tensors, what
    )
    d, most = tensors["T"].shape[0], RANKS * max(1, len(description.concepts))
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    fits = shapes.pop("T") == (d, d) and 1 <= d <= WIDEST
    if GATE in there:
        phrases = shapes[f"{GATE}ramps"][2]
        hardened = HARDENED if HARDENED in there else ()
        k = shapes[f"{GATE}{hardened[0]}"][0] if hardened else None
        wanted, gate = gate_shapes(d, phrases, k), (*_GATE, *hardened)
        fits = fits and phrases >= 1 and k != 0 and wanted == [shapes.pop(f"{GATE}{name}") for name in gate]
    if POOLED in there:
        fits = _pooled_fits([shapes.pop(f"{POOLED}{name}") for name in _POOLED], phrases) and fits
    for layer in {name[2:] for name in shapes}:
        (o, q), (rank, width) = shapes.get(f"U.{layer}", (0, 0)), shapes.get(f"D.{layer}", (0, 0))
        fits = fits and 1 <= o <= WIDEST and 1 <= q <= most and (rank, width) == (q, d)
        fits = fits and tensors[f"U.{layer}"].dtype == tensors[f"D.{layer}"].dtype
    if not fits:
        raise ValueError(f"The tensors of {what} do not fit together: make it again.")


def _pooled_fits(shapes: list[tuple[int, ...]], phrases: int) -> bool:
    """Whether the tensors of a pooled part, in the order of ``_POOLED``, fit together and to the gate."""
    (p, k), (_, m) = shapes[0], shapes[3]
    wanted = [(p, k), (k, p), *pooled_gate_shapes(p, m, phrases)]
    return 1 <= p <= WIDEST and 1 <= k <= p and m <= p and shapes == wanted


def _told(error: DamagedFile, name: str) -> ValueError:
    if isinstance(error, NoTensorFile):
        return ValueError(f"{shown(name)} is not a safetensors file: choose one written by 'Save Erasure'.")
    if isinstance(error, TruncatedFile):
        return ValueError(f"{shown(name)} is truncated, its end is missing: copy or download it again.")
    return ValueError(f"{shown(name)} is damaged, its checksums do not match: copy or download it again.")
