"""The bundled miniature is loaded by the stock loader and computes what it was trained to compute."""

import torch

from mini.host import CHECKPOINT
from mini.train.shipped import load_shipped


def test_the_stock_loader_offers_it(object_info):
    names = object_info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0]
    assert CHECKPOINT in names


def test_the_host_computes_what_the_training_code_computes(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    own_vae, own_text, own_unet = load_shipped()
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latents = vae.encode(picture)
    ours = own_vae.encode(picture.permute(0, 3, 1, 2))
    torch.testing.assert_close(latents * 0.18215, ours, atol=1e-3, rtol=1e-3)
    drawn = own_vae.decode(ours).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(vae.decode(latents), drawn, atol=1e-3, rtol=0)

    from mini.train.contexts import caption_rows
    from mini.train.world import load_world

    prompt = "a photo of the ship, an unheard-of word"
    rows, _ = caption_rows([[(prompt, True)]], load_world())
    [[context, _]] = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
    torch.testing.assert_close(context.float(), own_text(rows), atol=2e-2, rtol=1e-2)  # the host may use fp16

    t, z = torch.tensor([400]), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    network = model.model.diffusion_model.float()
    with torch.no_grad():
        theirs = network(z, t, context=context.float())
        torch.testing.assert_close(theirs, own_unet(z, t, context=context.float()), atol=1e-4, rtol=1e-3)
