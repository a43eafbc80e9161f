"""MACE Concept Erasure: erase concepts from the text-to-image MODEL on the wire.

Importing this file does nothing: the host calls `comfy_entrypoint`, and only then is anything registered.
"""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes.extension import MaceExtension

    return MaceExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
