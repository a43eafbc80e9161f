"""MACE: Mass Concept Erasure in Diffusion Models (Lu et al., CVPR 2024, arXiv 2403.06135), in plain torch.

Read the rooms in the order of the paper:

1. ``concepts``, ``encoder``: what to erase, and which tokens match;
2. ``refinement``: closed-form cross-attention refinement (section 4.1, equations 1 and 2);
3. ``training``: one LoRA per concept (section 4.2, equations 3 to 5);
4. ``erasure``: closed-form fusion of the LoRAs (section 4.3, equations 6 and 7), the result and its files;
5. ``evaluation``, ``attacks``: how well a concept is erased, and what brings it back.

Shapes: a projection W is ``[o, d]``, a token embedding e is ``[d]``; d is the width of the text encoder.
"""
