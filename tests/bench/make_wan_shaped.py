"""Writes a model folder whose DiT has the sizes of Wan 2.1 1.3B and random weights, around the demo model's other parts.

    make_wan_shaped.py assets/toybox OUT [layers]

416 x 240 pixels and 81 frames of it are 32760 tokens, as 832 x 480 of the released model: the demo's VAE shrinks by 4, not 8.
Needs torch. For timing only: what it renders is noise.
"""
import json
import os
import shutil
import sys

import torch

DIM, HEADS, FFN, TEXT, FREQ, CHANNELS = 1536, 12, 8960, 128, 256, 12


def shapes(layers):
    def linear(name, out, inner):
        return {f"{name}.weight": (out, inner), f"{name}.bias": (out,)}

    tensors = {"patch_embedding.weight": (DIM, CHANNELS, 1, 2, 2), "patch_embedding.bias": (DIM,),
               "scale_shift_table": (1, 2, DIM)}
    tensors |= linear("condition_embedder.time_embedder.linear_1", DIM, FREQ)
    tensors |= linear("condition_embedder.time_embedder.linear_2", DIM, DIM)
    tensors |= linear("condition_embedder.time_proj", 6 * DIM, DIM)
    tensors |= linear("condition_embedder.text_embedder.linear_1", DIM, TEXT)
    tensors |= linear("condition_embedder.text_embedder.linear_2", DIM, DIM)
    tensors |= linear("proj_out", CHANNELS * 4, DIM)
    for i in range(layers):
        for attention in ("attn1", "attn2"):
            for part in ("to_q", "to_k", "to_v", "to_out.0"):
                tensors |= linear(f"blocks.{i}.{attention}.{part}", DIM, DIM)
            tensors |= {f"blocks.{i}.{attention}.norm_{x}.weight": (DIM,) for x in "qk"}
        tensors |= {f"blocks.{i}.norm2.weight": (DIM,), f"blocks.{i}.norm2.bias": (DIM,),
                    f"blocks.{i}.scale_shift_table": (1, 6, DIM)}
        tensors |= linear(f"blocks.{i}.ffn.net.0.proj", FFN, DIM)
        tensors |= linear(f"blocks.{i}.ffn.net.2", DIM, FFN)
    return tensors


def main():
    source, out = sys.argv[1:3]
    layers = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("transformer", "train", "*.png", "*.csv", "sparge.yaml"))
    folder = os.path.join(out, "transformer")
    os.makedirs(folder)
    with open(os.path.join(source, "transformer", "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config |= {"num_attention_heads": HEADS, "attention_head_dim": DIM // HEADS, "num_layers": layers, "ffn_dim": FFN,
               "text_dim": TEXT, "freq_dim": FREQ, "in_channels": CHANNELS, "out_channels": CHANNELS,
               "rope_max_seq_len": 1024}
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    torch.manual_seed(0)
    header, offset, tensors = {}, 0, shapes(layers)
    for name, shape in tensors.items():
        size = 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "diffusion_pytorch_model.safetensors"), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors.items():
            ones = "norm" in name and name.endswith("weight")
            values = torch.ones(shape) if ones else torch.randn(shape) * 0.02
            file.write(values.to(torch.bfloat16).view(torch.uint8).numpy().tobytes())


main()
