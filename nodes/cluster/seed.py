"""What a Ray worker starts with. Ray sends this file's class as code, so it uses nothing of the pack.

It imports the pack and ComfyUI that the worker's machine has.
"""


class MaceWorker:
    """One process of the cluster. Ray calls its methods one after the other."""

    def ready(self) -> None:
        """Answers as soon as the process runs."""

    def carry_out(self, here: dict, order: dict) -> dict:
        """The answer of mace_erase/worker.py to `order`.

        here: the folders of the pack and of ComfyUI on the machine that asks, and ComfyUI's arguments. If the
        environment of the worker has COMFYUI_PATH, that is the ComfyUI, and `here` says only how the pack's
        folder is called.
        """
        import os
        import platform
        import sys
        from importlib import import_module

        comfyui, pack = os.environ.get("COMFYUI_PATH") or here["comfyui"], here["pack"]
        if not os.path.isdir(os.path.join(pack, "mace_erase")):
            pack = os.path.join(comfyui, "custom_nodes", os.path.basename(pack))
        if not os.path.isdir(os.path.join(pack, "mace_erase")):
            where = f"neither in {here['pack']} nor in {pack}"
            return {"error": f"On the worker {platform.node()}, this pack is {where}: install it there."}
        os.environ["COMFYUI_PATH"] = comfyui
        if pack not in sys.path:
            sys.path.insert(0, pack)
        return import_module("mace_erase.worker").carry_out(here["arguments"], order)
