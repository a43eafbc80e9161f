"""Starts the command line: as `python -m mace_erase`, or by the path of this folder from anywhere."""

import os
import runpy
import sys

if __package__:
    from .command import main

    sys.exit(main(sys.argv[1:]))

# Not resolved: a linked pack must still find the ComfyUI that it is linked into.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
runpy.run_module("mace_erase", run_name="__main__", alter_sys=True)
