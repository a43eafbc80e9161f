"""A torchaudio built for another torch is imported without its compiled part; other errors still surface."""

import subprocess
import sys

import pytest

from dev.host.fetch import REPOSITORY

EXTENSION = "torchaudio/_extension/__init__.py"
WORKS = "_IS_TORCHAUDIO_EXT_AVAILABLE = _IS_ALIGN_AVAILABLE = True\nfail_if_no_align = None\n"
FAILS = "raise OSError('libcudart.so: cannot open shared object file')\n"
IMPORT = """
import sys
from dev.host.launch import make_torchaudio_importable
make_torchaudio_importable()
import torchaudio
print(torchaudio.compiled)
"""


def imported(folder, extension: str | None) -> subprocess.CompletedProcess:
    """Imports, in a separate process, a torchaudio laid out like the real one from 2.9 on."""
    if extension is not None:
        (folder / EXTENSION).parent.mkdir(parents=True)
        (folder / EXTENSION).write_text(extension)
        (folder / "torchaudio" / "functional.py").write_text(
            "from torchaudio._extension import fail_if_no_align, _IS_TORCHAUDIO_EXT_AVAILABLE as compiled\n"
            "aligned = fail_if_no_align and fail_if_no_align(len)\n"
        )
        (folder / "torchaudio" / "__init__.py").write_text(
            "from . import _extension\nfrom .functional import compiled\n"
        )
    path = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(REPOSITORY)!r}]"
    return subprocess.run([sys.executable, "-c", path + IMPORT], capture_output=True, text=True)


@pytest.mark.parametrize("extension, compiled", [(WORKS, "True"), (FAILS, "False")])
def test_it_imports(tmp_path, extension, compiled):
    answer = imported(tmp_path, extension)
    assert answer.stdout.strip() == compiled, answer.stderr


def test_another_fault_of_it_is_not_hidden(tmp_path):
    answer = imported(tmp_path, FAILS.replace("OSError", "SyntaxError"))
    assert "SyntaxError" in answer.stderr and not answer.stdout
