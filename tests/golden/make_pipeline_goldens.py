"""Makes tests/golden/data/pipelines/: small random Wan pipelines with what diffusers and transformers compute from them.

Each case is a diffusers folder (as save_pretrained writes it) with `golden.json` (the requests) and `golden.safetensors`:
  rN.latents [C, T, h, w], rN.frames [F, H, W, 3]   what the pipeline returns in float32 for request N
  rN.embeds, rN.negative [L, d]                     encode_prompt's output
  dit.latents, dit.timestep, dit.text, dit.out      one call of the transformer
  dit.one_block                                     the same with only its first block
  vae.fN.frames, .moments, .mode, .decoded          N frames encoded, the posterior's mode, decoded again
Run with the packages of requirements.txt: `python make_pipeline_goldens.py [CASE…]`. No test runs Python.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import sentencepiece
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from safetensors.torch import load_file, save_file
from transformers import T5TokenizerFast, UMT5Config, UMT5EncoderModel

OUT = pathlib.Path(__file__).parent / "data" / "pipelines"
torch.use_deterministic_algorithms(True)

CORPUS = """a red sphere bouncing on a green floor
the quick brown fox jumps over the lazy dog
ein roter Ball rollt über den grünen Boden
une sphère rouge rebondit sur un sol vert
una esfera roja rebota sobre un suelo verde
красный шар прыгает по зелёному полу
一个红色的球在绿色的地板上弹跳
赤い球が緑の床で跳ねる
0 1 2 3 4 5 6 7 8 9 . , ! ? ' " ( ) - : ;
"""


def make_tokenizer(folder, vocab):
    work = folder / "spm"
    work.mkdir(parents=True)
    corpus = work / "corpus.txt"
    corpus.write_text(CORPUS * 20, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(work / "spiece"), vocab_size=vocab, model_type="unigram", pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, pad_piece="<pad>", eos_piece="</s>", unk_piece="<unk>", hard_vocab_limit=False, num_threads=1, minloglevel=2)
    shutil.copy(work / "spiece.model", work / "tmp.model")
    tokenizer_dir = work / "load"
    tokenizer_dir.mkdir()
    shutil.copy(work / "spiece.model", tokenizer_dir / "spiece.model")
    tokenizer = T5TokenizerFast.from_pretrained(str(tokenizer_dir), extra_ids=4)
    spiece = (work / "spiece.model").read_bytes()
    shutil.rmtree(work)
    return tokenizer, spiece


def seeded(build, seed):
    torch.manual_seed(seed)
    model = build().eval()
    # Default initialisation leaves many tensors constant; give every one something to be wrong about.
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim <= 1 or "gamma" in name or "norm" in name:
                p.add_(0.1 * torch.randn_like(p))
    return model


# Every case is small, and differs from the others where a port can go wrong.
CASES = {
    # The shape of diffusers' own fast test, with UMT5 in place of T5.
    "euler_tiny": dict(
        transformer=dict(patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=32, freq_dim=256,
                         ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32),
        vae=dict(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]),
        text=dict(d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, relative_attention_num_buckets=8, feed_forward_proj="gated-gelu"),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        requests=[dict(prompt="dance monkey", negative_prompt="negative", width=16, height=16, frames=9, steps=2, guidance=6.0, seed=0, length=16),
                  dict(prompt="a red sphere", negative_prompt="", width=32, height=16, frames=1, steps=3, guidance=1.0, seed=7, length=8)]),
    # Unequal rotary axes (20 = 8 + 6 + 6), deeper VAE, several temporal chunks, shards, odd grid, long prompts in several scripts.
    "unipc_deep": dict(
        transformer=dict(patch_size=(1, 2, 2), num_attention_heads=3, attention_head_dim=20, in_channels=16, out_channels=16, text_dim=48, freq_dim=64,
                         ffn_dim=96, num_layers=3, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=64),
        vae=dict(base_dim=4, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, temperal_downsample=[False, True, True]),
        text=dict(d_model=48, d_kv=16, d_ff=64, num_layers=3, num_heads=3, relative_attention_num_buckets=32, feed_forward_proj="gated-gelu"),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, solver_order=2),
        shard="150KB",
        requests=[dict(prompt="  “Ein roter Ball”&nbsp;rollt über den\tgrünen Boden ﬁnale ", negative_prompt="赤い球が緑の床で跳ねる", width=48, height=32, frames=17, steps=5, guidance=4.0, seed=42, length=32),
                  dict(prompt="красный шар прыгает по зелёному полу, " * 6, negative_prompt="", width=32, height=48, frames=5, steps=4, guidance=5.5, seed=-3, length=20)]),
    # Order 3, bh1, its own last sigma, no norm before the cross-attention, odd frequency count, 2 × 2 × 2 VAE, half-precision weights.
    "unipc_bh1_half": dict(
        transformer=dict(patch_size=(1, 1, 2), num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, text_dim=24, freq_dim=33,
                         ffn_dim=40, num_layers=2, cross_attn_norm=False, qk_norm="rms_norm_across_heads", rope_max_seq_len=48, eps=1e-5),
        vae=dict(base_dim=6, decoder_base_dim=8, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[True], scale_factor_temporal=2, scale_factor_spatial=2,
                 attn_scales=[1.0], latents_mean=[0.1, -0.2, 0.3, 0.4], latents_std=[1.5, 0.7, 2.0, 1.1]),
        text=dict(d_model=24, d_kv=12, d_ff=48, num_layers=2, num_heads=2, relative_attention_num_buckets=16, relative_attention_max_distance=20, feed_forward_proj="relu"),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.0, solver_order=3, solver_type="bh1", final_sigmas_type="sigma_min"),
        save_dtype=torch.bfloat16,
        requests=[dict(prompt="a quick fox </s> jumps <extra_id_0> over", negative_prompt="lazy", width=16, height=16, frames=5, steps=6, guidance=3.0, seed=123456789012, length=24)]),
    # Temporal patches, wide latents, order 3 bh2 to the end, another activation.
    "unipc_patch_t": dict(
        transformer=dict(patch_size=(2, 2, 2), num_attention_heads=1, attention_head_dim=64, in_channels=12, out_channels=12, text_dim=40, freq_dim=128,
                         ffn_dim=80, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32),
        vae=dict(base_dim=4, decoder_base_dim=6, z_dim=12, dim_mult=[1, 2, 4], num_res_blocks=1, temperal_downsample=[True, True], scale_factor_temporal=4, scale_factor_spatial=4,
                 latents_mean=[0.05 * i for i in range(12)], latents_std=[0.5 + 0.1 * i for i in range(12)]),
        text=dict(d_model=40, d_kv=10, d_ff=60, num_layers=1, num_heads=4, relative_attention_num_buckets=32, feed_forward_proj="gated-silu"),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0, solver_order=3, disable_corrector=[0]),
        save_dtype=torch.float16,
        requests=[dict(prompt="una esfera roja 😀 rebota", negative_prompt="borroso", width=32, height=16, frames=13, steps=7, guidance=2.5, seed=5, length=12)]),
}


def run(pipe, request):
    generator = torch.Generator("cpu").manual_seed(request["seed"])
    arguments = dict(prompt=request["prompt"], negative_prompt=request["negative_prompt"], height=request["height"], width=request["width"], num_frames=request["frames"],
                     num_inference_steps=request["steps"], guidance_scale=request["guidance"], max_sequence_length=request["length"])
    latents = pipe(**arguments, generator=generator, output_type="latent").frames[0]
    generator = torch.Generator("cpu").manual_seed(request["seed"])
    frames = pipe(**arguments, generator=generator, output_type="np").frames[0]
    return latents, frames


def make(name, case):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, spiece = make_tokenizer(folder, 200)
    text_config = UMT5Config(vocab_size=len(tokenizer) + 20, **case["text"])
    pipe = WanPipeline(
        tokenizer=tokenizer, text_encoder=seeded(lambda: UMT5EncoderModel(text_config), 1),
        transformer=seeded(lambda: WanTransformer3DModel(**case["transformer"]), 2), vae=seeded(lambda: AutoencoderKLWan(**case["vae"]), 3),
        scheduler=case["scheduler"])
    if "save_dtype" in case:
        pipe = pipe.to(case["save_dtype"])
    pipe.save_pretrained(folder, safe_serialization=True, **({"max_shard_size": case["shard"]} if "shard" in case else {}))
    if name != "euler_tiny":  # that one keeps only what newer transformers save
        (folder / "tokenizer" / "spiece.model").write_bytes(spiece)

    pipe = WanPipeline.from_pretrained(str(folder), torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    tensors = {}
    for i, request in enumerate(case["requests"]):
        latents, frames = run(pipe, request)
        assert torch.isfinite(latents).all(), name
        tensors[f"r{i}.latents"], tensors[f"r{i}.frames"] = latents, torch.from_numpy(frames)
        embeds, negative = pipe.encode_prompt(request["prompt"], request["negative_prompt"], True, max_sequence_length=request["length"])
        tensors[f"r{i}.embeds"], tensors[f"r{i}.negative"] = embeds[0], negative[0]

    torch.manual_seed(11)
    channels, (pt, ph, pw) = pipe.transformer.config.in_channels, pipe.transformer.config.patch_size
    tensors["dit.latents"] = torch.randn(1, channels, 3 * pt, 4 * ph, 5 * pw)
    tensors["dit.timestep"] = torch.tensor([713.0])
    tensors["dit.text"] = torch.randn(1, 9, pipe.transformer.config.text_dim)
    with torch.no_grad():
        tensors["dit.out"] = pipe.transformer(tensors["dit.latents"], tensors["dit.timestep"], tensors["dit.text"], return_dict=False)[0]
        blocks, pipe.transformer.blocks = pipe.transformer.blocks, pipe.transformer.blocks[:1]
        tensors["dit.one_block"] = pipe.transformer(tensors["dit.latents"], tensors["dit.timestep"], tensors["dit.text"], return_dict=False)[0]
        pipe.transformer.blocks = blocks
        factor = 2 ** (len(case["vae"]["dim_mult"]) - 1)
        for frames in (1, 5, 9, 17) if name in ("unipc_deep", "unipc_bh1_half") else (1, 5):
            if "attn_scales" in case["vae"]:  # diffusers 0.42 cannot encode with these, only decode
                mode = torch.randn(1, pipe.vae.config.z_dim, 1 + (frames - 1) // 2, 4, 6)
            else:
                clip = torch.rand(1, 3, frames, 2 * factor, 3 * factor) * 2 - 1
                moments = pipe.vae._encode(clip)
                mode = moments.chunk(2, 1)[0]
                tensors.update({f"vae.f{frames}.frames": clip, f"vae.f{frames}.moments": moments})
            tensors.update({f"vae.f{frames}.mode": mode, f"vae.f{frames}.decoded": pipe.vae.decode(mode, return_dict=False)[0]})
    save_file({k: v.detach().float().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}, folder / "golden.safetensors")

    golden = {"requests": case["requests"]}
    if name == "unipc_deep":
        golden["bf16"] = bf16_error(folder, pipe, case["requests"][0])
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) // 1024, "KiB")


def bf16_error(folder, pipe32, request):
    """Relative L2 error of bfloat16 latents against float32, by seed, as diffusers computes them."""
    half = WanPipeline.from_pretrained(str(folder), torch_dtype=torch.bfloat16)
    half.set_progress_bar_config(disable=True)
    errors = []
    for seed in range(8):
        request = dict(request, seed=seed)
        exact, rounded = run(pipe32, request)[0].double(), run(half, request)[0].double()
        errors.append(float((rounded - exact).norm() / exact.norm()))
    return {"seeds": list(range(8)), "relative_l2": errors, "mean": float(np.mean(errors))}


def make_fp8():
    """euler_tiny's transformer with its matrices stored in float8 (both kinds) and the result in float32."""
    folder = OUT / "euler_fp8"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(OUT / "euler_tiny", folder)
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for i, (name, tensor) in enumerate(sorted(weights.items())):
        if tensor.ndim == 2:
            weights[name] = tensor.to(torch.float8_e4m3fn if i % 2 else torch.float8_e5m2)
    save_file(weights, path)
    pipe = WanPipeline.from_pretrained(str(OUT / "euler_tiny"), torch_dtype=torch.float32)
    pipe.transformer.load_state_dict({k: v.float() for k, v in weights.items()})
    pipe.set_progress_bar_config(disable=True)
    golden = json.loads((folder / "golden.json").read_text())
    golden["requests"] = golden["requests"][:1]
    latents, frames = run(pipe, golden["requests"][0])
    save_file({"r0.latents": latents.contiguous(), "r0.frames": torch.from_numpy(frames).contiguous()}, folder / "golden.safetensors")
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for case_name in sys.argv[1:] or [*CASES, "euler_fp8"]:
        make_fp8() if case_name == "euler_fp8" else make(case_name, CASES[case_name])
