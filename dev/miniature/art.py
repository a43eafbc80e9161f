"""Artwork of the miniature world: emoji from three vendors and composed faces, rasterised once.

Sources (registry packages, credited in NOTICE): noto (Apache-2.0), twemoji (CC-BY-4.0), fluent-emoji-flat
(MIT), big-smile faces (CC-BY-4.0). The pack downloads nothing; only `make mini` runs this.
"""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from .world import WORLD_FILE, World

VENDORS = {"noto": "noto", "twemoji": "twemoji", "fluent": "fluent-emoji-flat"}
PACKAGES = (
    "@iconify-json/noto@1.2.9",
    "@iconify-json/twemoji@1.2.5",
    "@iconify-json/fluent-emoji-flat@1.2.6",
    "@dicebear/core@9.4.3",
    "@dicebear/big-smile@9.4.3",
)
SIZE = 112  # pixels per side of a stored glyph; images have 64, so every use downscales it


def fetch(folder: Path) -> None:
    """Install the artwork packages into `folder`/node_modules with npm (once)."""
    if not (folder / "node_modules/@dicebear/big-smile").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", *PACKAGES]
        subprocess.run(command, cwd=folder, check=True)


def rasterise(svg: str) -> np.ndarray:
    """An SVG as [SIZE, SIZE, 4] uint8, cropped to its content and centred."""
    import resvg_py  # only `make mini` installs it, and this module must import without it

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    drawn = image.crop(image.getbbox())
    drawn = drawn.resize(
        [max(1, round(s * SIZE / max(drawn.size))) for s in drawn.size], Image.Resampling.LANCZOS
    )
    square = Image.new("RGBA", (SIZE, SIZE))
    square.paste(drawn, ((SIZE - drawn.width) // 2, (SIZE - drawn.height) // 2))
    return np.asarray(square)


def _emoji(folder: Path, vendor: str) -> dict[str, str]:
    data = json.loads((folder / f"node_modules/@iconify-json/{VENDORS[vendor]}/icons.json").read_text())
    side = data.get("width", 16), data.get("height", 16)
    return {
        name: f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {icon.get("width", side[0])} '
        f'{icon.get("height", side[1])}">{icon["body"]}</svg>'
        for name, icon in data["icons"].items()
    }


def draw_all(world: World, folder: Path) -> dict[str, np.ndarray]:
    """Glyphs by "concept/vendor" ([1, SIZE, SIZE, 4]) and faces by person ([n, SIZE, SIZE, 4]).

    The key "person" holds faces of a generic person.
    """
    glyphs = {}
    for vendor in VENDORS:
        svgs = _emoji(folder, vendor)
        for concept in world.objects:
            glyphs[f"{concept.name}/{vendor}"] = rasterise(svgs[concept.glyph])[None]
    script = Path(__file__).with_name("faces.mjs")
    faces = json.loads(
        subprocess.run(["node", script, WORLD_FILE, folder.resolve()], check=True, capture_output=True).stdout
    )
    for person, svgs in faces.items():
        glyphs[person or "person"] = np.stack([rasterise(svg) for svg in svgs])
    return glyphs
