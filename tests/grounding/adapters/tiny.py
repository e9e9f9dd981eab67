"""Tiny checkpoints with random weights of the real transformers classes, saved as the real ones are."""

from __future__ import annotations

import string
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS = ["left", "right", "lung", "kidney", "liver", "nodule", "opacity", "cat", "."]
SMALL = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}


def bert_tokenizer() -> Any:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *string.ascii_lowercase]
    return hf.BertTokenizer(vocab={word: i for i, word in enumerate(words)})


def clip_tokenizer(length: int = 16) -> Any:
    letters = [*string.ascii_lowercase, *(f"{c}</w>" for c in string.ascii_lowercase)]
    words = [
        "!",
        "<|startoftext|>",
        *letters,
        "<|endoftext|>",
    ]  # OWLv2 takes a query that begins with 0 for none
    vocab = {word: i for i, word in enumerate(words)}
    return hf.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=length)


def swin() -> Any:
    return hf.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip


def save_grounding_dino(folder: Path, mm: bool = False) -> Path:
    torch.manual_seed(0)
    tokenizer = bert_tokenizer()
    text = hf.BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **SMALL)
    config = (hf.MMGroundingDinoConfig if mm else hf.GroundingDinoConfig)(
        backbone_config=swin(), text_config=text, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        num_queries=6, max_text_len=32,
    )  # fmt: skip
    cls = hf.MMGroundingDinoForObjectDetection if mm else hf.GroundingDinoForObjectDetection
    cls(config).save_pretrained(folder)
    reader = hf.GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})
    hf.GroundingDinoProcessor(reader, tokenizer).save_pretrained(folder)
    return folder


def save_owlv2(folder: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    config = hf.Owlv2Config(
        text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 16, **SMALL},
        vision_config={"image_size": 32, "patch_size": 8, **SMALL},
        projection_dim=16,
    )
    model = hf.Owlv2ForObjectDetection(config)
    plant(model.box_head.dense2, torch.zeros(4))  # each box is its patch
    model.save_pretrained(folder)
    reader = hf.Owlv2ImageProcessorPil(size={"height": 32, "width": 32})
    hf.Owlv2Processor(reader, tokenizer).save_pretrained(folder)
    return folder


def save_detr(folder: Path, names: list[str], box: tuple[float, ...], logits: list[float]) -> Path:
    """Every query writes the same planted box (centre and size as fractions) and class logits."""
    torch.manual_seed(0)
    backbone = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_features=["stage4"]
    )
    config = hf.DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        num_queries=2, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    model = hf.DetrForObjectDetection(config)
    plant(model.bbox_predictor.layers[-1], torch.logit(torch.tensor(box)))
    plant(model.class_labels_classifier, torch.tensor(logits))
    model.save_pretrained(folder)
    hf.DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)
    return folder


def save_rt_detr(folder: Path, names: list[str]) -> Path:
    torch.manual_seed(0)
    backbone = hf.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = hf.RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 8, 8], encoder_layers=1,
        encoder_ffn_dim=16, encoder_attention_heads=2, d_model=16, num_queries=5,
        decoder_in_channels=[16] * 3, decoder_ffn_dim=16, decoder_layers=1,
        decoder_attention_heads=2, num_denoising=0,
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    hf.RTDetrForObjectDetection(config).save_pretrained(folder)
    hf.RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def save_florence2(folder: Path, reply: list[str]) -> Path:
    """Writes `reply`, whatever it sees: each token is made near certain after the one before it."""
    torch.manual_seed(0)
    words = ["<s>", "<pad>", "</s>", "<unk>", "<image>", *WORDS, "Locate", "the", "in", "image", "phrases"]
    words += ["caption:", *(f"<loc_{i}>" for i in range(1000))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.Fuse()
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    config = hf.Florence2Config(
        vision_config={
            "embed_dim": [8, 8, 8, 8], "num_heads": [1, 1, 1, 1], "num_groups": [1, 1, 1, 1],
            "depths": [1, 1, 1, 1], "window_size": 2, "projection_dim": 16, "max_position_embeddings": 8,
        },
        text_config={
            "model_type": "bart", "vocab_size": len(words), "d_model": 16, "encoder_layers": 1,
            "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
            "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 64, "bos_token_id": 0,
            "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
        },
        image_token_id=words.index("<image>"), bos_token_id=0, pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = hf.Florence2ForConditionalGeneration(config)
    ids = [2, *(words.index(word) for word in reply), 2]
    model.generation_config.decoder_start_token_id = 2
    model.generation_config.sequence_bias = [[[a, b], 50.0] for a, b in pairwise(ids)]
    model.save_pretrained(folder)
    reader = hf.CLIPImageProcessorPil(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False
    )
    reader.image_seq_length = 5
    hf.Florence2Processor(reader, tokenizer).save_pretrained(folder)
    return folder


def save_clip(folder: Path, siglip: bool = False, patch: tuple[int, int] = (1, 2), sign: float = 1.0) -> Path:
    """4 x 4 patches of which one is unlike all others: it alone has a position embedding."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, **SMALL}
    text |= {"bos_token_id": 1, "eos_token_id": len(tokenizer) - 1, "pad_token_id": len(tokenizer) - 1}
    vision = {"image_size": 32, "patch_size": 8, **SMALL}
    if siglip:
        model: Any = hf.SiglipModel(hf.SiglipConfig(text_config=text, vision_config=vision))
        reader: Any = hf.SiglipImageProcessorPil(size={"height": 32, "width": 32})
        processor: Any = hf.SiglipProcessor(reader, tokenizer)
    else:
        model = hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
        reader = hf.CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
        processor = hf.CLIPProcessor(reader, tokenizer)
    embeddings = model.vision_model.embeddings
    torch.nn.init.zeros_(embeddings.patch_embedding.weight)
    if embeddings.patch_embedding.bias is not None:
        torch.nn.init.zeros_(embeddings.patch_embedding.bias)
    with torch.no_grad():
        embeddings.position_embedding.weight.zero_()
        row = (0 if siglip else 1) + patch[0] * 4 + patch[1]
        embeddings.position_embedding.weight[row] = sign * 3 * torch.randn(16)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_clipseg(folder: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "eos_token_id": len(tokenizer) - 1}
    config = hf.CLIPSegConfig(
        text_config={**text, **SMALL, "bos_token_id": 1, "pad_token_id": len(tokenizer) - 1},
        vision_config={"image_size": 32, "patch_size": 8, **SMALL, "num_hidden_layers": 2},
        projection_dim=16, reduce_dim=8, extract_layers=[0, 1], conditional_layer=0,
        decoder_num_attention_heads=2, decoder_intermediate_size=16,
    )  # fmt: skip
    hf.CLIPSegForImageSegmentation(config).save_pretrained(folder)
    reader = hf.ViTImageProcessorPil(size={"height": 32, "width": 32})
    hf.CLIPSegProcessor(reader, tokenizer).save_pretrained(folder)
    return folder


def save_sam(folder: Path) -> Path:
    torch.manual_seed(0)
    config = hf.SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64,
            "patch_size": 8, "output_channels": 16, "mlp_dim": 16, "window_size": 0, "num_pos_feats": 8,
            "global_attn_indexes": [0],
        },
        prompt_encoder_config={
            "hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    hf.SamModel(config).save_pretrained(folder)
    reader = hf.SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    hf.SamProcessor(reader).save_pretrained(folder)
    return folder


def save_sam2(folder: Path, video: bool = False) -> Path:
    """The checkpoints on the hub are of the video class; the one for pictures reads them."""
    torch.manual_seed(0)
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[64, 64], blocks_per_stage=[1, 2, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 2, 4, 2], global_attention_blocks=[4],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = hf.Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    decoder |= {"iou_head_hidden_dim": 16}
    if video:
        config: Any = hf.Sam2VideoConfig(
            vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder, image_size=64,
            memory_attention_num_layers=1, memory_attention_hidden_size=32, memory_encoder_hidden_size=32,
            memory_attention_feed_forward_hidden_size=16, mask_downsampler_embed_dim=32,
            memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=32, memory_encoder_output_channels=16,
        )  # fmt: skip
        hf.Sam2VideoModel(config).save_pretrained(folder)
        return folder
    config = hf.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=hf.Sam2PromptEncoderConfig(**prompt),
        mask_decoder_config=hf.Sam2MaskDecoderConfig(**decoder),
    )
    hf.Sam2Model(config).save_pretrained(folder)
    return folder


def plant(layer: Any, bias: torch.Tensor) -> None:
    """A layer that writes the same whatever it reads."""
    torch.nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(bias)
