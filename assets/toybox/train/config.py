"""The model's sizes, in the words of the diffusers configs, and how a run is cut into slices."""

import csv
import glob
import os
import time

import torch

DTYPE = torch.bfloat16  # of the products; the weights in training are float32

VAE = dict(base_dim=16, decoder_base_dim=32, z_dim=12, dim_mult=[1, 2, 4], num_res_blocks=1, attn_scales=[],
           temperal_downsample=[True, True], scale_factor_spatial=4, scale_factor_temporal=4)
TRANSFORMER = dict(patch_size=(1, 2, 2), num_attention_heads=4, attention_head_dim=64, in_channels=12, out_channels=12,
                   text_dim=128, freq_dim=256, ffn_dim=1024, num_layers=8, cross_attn_norm=True,
                   qk_norm="rms_norm_across_heads", eps=1e-6, rope_max_seq_len=64)
TEXT_ENCODER = dict(d_model=128, d_kv=32, num_heads=4, d_ff=256, num_layers=3, dropout_rate=0.0,
                    feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
                    tie_word_embeddings=False)
FLOW_SHIFT = 3.0
TEXT_LENGTH = 512  # WanPipeline pads prompts with zero vectors to this
MAX_CAPTION_TOKENS = 24
LATENT_SHAPE = (VAE["z_dim"], 9, 32, 32)  # of a clip of 33 frames, 128 x 128


def read_weights(folder: str) -> dict:
    """All tensors of a component's safetensors files, float32."""
    from safetensors.torch import load_file
    return {name: value.float() for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.safetensors")))
            for name, value in load_file(path).items()}


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_up_torch():
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def save(path: str, state: dict):
    """Writes a checkpoint so that the file is whole or the old one stays."""
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


class Slice:
    """A time limit, for machines that are lent in minutes: a script stops at the limit, saves, and goes on when run again."""

    def __init__(self, minutes: float | None, save_every_s: float = 120):
        self.started = self.saved = time.monotonic()
        self.limit_s = None if minutes is None else 60 * minutes
        self.save_every_s = save_every_s

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def over(self) -> bool:
        return self.limit_s is not None and self.seconds() > self.limit_s

    def save_is_due(self) -> bool:
        if time.monotonic() - self.saved < self.save_every_s:
            return False
        self.saved = time.monotonic()
        return True


def log(path: str, **values):
    """Prints one line and appends it to the CSV file `path`, whose first line names the columns."""
    print("  ".join(f"{key} {value}" for key, value in values.items()), flush=True)
    new = not os.path.exists(path)
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(values)
        writer.writerow(values.values())
