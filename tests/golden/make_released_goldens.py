"""Makes tests/golden/data/released_wan.json: tensor names and shapes of the released Wan 2.1 transformers, declared by
diffusers on the meta device (no weights). Configs: diffusers' scripts/convert_wan_to_diffusers.py."""
import json
import pathlib

import torch
from diffusers import WanTransformer3DModel

COMMON = dict(added_kv_proj_dim=None, attention_head_dim=128, cross_attn_norm=True, eps=1e-06, freq_dim=256, in_channels=16, out_channels=16,
              patch_size=[1, 2, 2], qk_norm="rms_norm_across_heads", text_dim=4096)
RELEASED = {
    "Wan2.1-T2V-1.3B": dict(COMMON, ffn_dim=8960, num_attention_heads=12, num_layers=30),
    "Wan2.1-T2V-14B": dict(COMMON, ffn_dim=13824, num_attention_heads=40, num_layers=40),
}

out = {}
for name, config in RELEASED.items():
    with torch.device("meta"):
        model = WanTransformer3DModel(**config)
    out[name] = {"config": config, "tensors": {k: list(v.shape) for k, v in model.state_dict().items()}}
path = pathlib.Path(__file__).parent / "data" / "released_wan.json"
path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
print({k: len(v["tensors"]) for k, v in out.items()}, path.stat().st_size)
