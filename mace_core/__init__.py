"""MACE: Mass Concept Erasure in Diffusion Models (Lu et al., CVPR 2024, arXiv 2403.06135), in plain torch.

Read the modules in the order of the paper:

1. ``concepts``, ``prompts``, ``text``, ``alignment``: what to erase, and which tokens belong together;
2. ``moments``, ``refine``: closed-form cross-attention refinement (section 4.1, equations 1 and 2);
3. ``importance``, ``attention_loss``, ``lora``, ``train``: one LoRA per concept (section 4.2,
   equations 3 to 5);
4. ``fuse``: closed-form fusion of the LoRAs (section 4.3, equations 6 and 7);
5. ``erasure``, ``erasure_file``, ``metrics``: the result, its file, and how well it did.

Shapes: a projection W is ``[o, d]``, a token embedding e is ``[d]``; d is the width of the text encoder.
"""
