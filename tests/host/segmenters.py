"""A GroundingDINO and a SAM with a few thousand random weights, in the folder layout of huggingface.co."""

import shutil
from pathlib import Path

import torch

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] . ship red car person a ##s".split()


def write_detector(folder: Path) -> None:
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    swin = SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_indices=[2, 3, 4],
    )
    bert = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        num_queries=4,
        encoder_layers=1,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    tokenizer = BertTokenizerFast(vocab={word: number for number, word in enumerate(WORDS)})
    images = GroundingDinoImageProcessor(size={"shortest_edge": 80, "longest_edge": 128})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)


def write_segmenter(folder: Path) -> None:
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    torch.manual_seed(1)
    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 32,
            "num_hidden_layers": 1,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "window_size": 2,
            "global_attn_indexes": [0],
            "num_pos_feats": 16,
        },
        prompt_encoder_config={
            "hidden_size": 32,
            "image_size": 64,
            "patch_size": 16,
            "image_embedding_size": 4,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    model = SamModel(config)
    for (
        name,
        weight,
    ) in model.named_parameters():  # the class's own initial weights give masks without contrast
        if "layer_norm" not in name:
            torch.nn.init.normal_(weight, std=1.0 if "prompt" in name else 0.5)
    model.save_pretrained(folder)
    SamProcessor(
        SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    ).save_pretrained(folder)


def put_into_cache(folder: Path, hub: Path, repository: str) -> Path:
    """Stores the folder the way huggingface_hub caches it; returns the path of its files."""
    cached = hub / f"models--{repository.replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    return Path(shutil.copytree(folder, cached / "snapshots" / "abc"))


@torch.no_grad()
def all_boxes(folder: Path, picture: torch.Tensor, text: str) -> torch.Tensor:
    """Every box that the detector finds in an image [H, W, 3], from transformers' own functions."""
    from transformers import GroundingDinoForObjectDetection, GroundingDinoProcessor

    processor = GroundingDinoProcessor.from_pretrained(folder)
    inputs = processor(images=picture.numpy(), text=text, return_tensors="pt")
    answer = GroundingDinoForObjectDetection.from_pretrained(folder).eval()(**inputs)
    height, width = picture.shape[:2]
    boxes = processor.post_process_grounded_object_detection(
        answer, inputs["input_ids"], threshold=0.0, text_threshold=0.0, target_sizes=[(height, width)]
    )
    return boxes[0]["boxes"].clamp(min=0).minimum(torch.tensor([width, height, width, height]))


@torch.no_grad()
def all_masks(folder: Path, picture: torch.Tensor, boxes: torch.Tensor, binarize: bool) -> torch.Tensor:
    """The masks of all boxes at once, [k, H, W], from transformers' own functions."""
    from transformers import SamModel, SamProcessor

    processor = SamProcessor.from_pretrained(folder)
    inputs = processor(images=picture.numpy(), input_boxes=[boxes.tolist()], return_tensors="pt")
    scaled = inputs["input_boxes"].float()
    answer = SamModel.from_pretrained(folder).eval()(
        pixel_values=inputs["pixel_values"], input_boxes=scaled, multimask_output=False
    )
    masks = processor.image_processor.post_process_masks(
        answer.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"], binarize=binarize
    )
    return masks[0][:, 0]
