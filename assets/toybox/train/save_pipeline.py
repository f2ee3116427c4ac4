"""Puts what was trained into a model folder in diffusers layout, in bfloat16.

    python save_pipeline.py WORK FOLDER

Reads WORK/{tokenizer, vae.pt, statistics.json, transformer.pt}. Files in FOLDER of the same names are replaced; others stay.
"""

import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from transformers import T5TokenizerFast

import config
import transformer_model

MAX_SHARD = "12MB"


def part(weights: dict, prefix: str) -> dict:
    return {name[len(prefix):]: value.float() for name, value in weights.items() if name.startswith(prefix)}


def save(work: str, folder: str):
    with open(os.path.join(work, "statistics.json")) as file:
        statistics = json.load(file)
    vae = AutoencoderKLWan(**config.VAE, latents_mean=statistics["mean"], latents_std=statistics["std"])
    vae_weights = torch.load(os.path.join(work, "vae.pt"), weights_only=True)
    vae.load_state_dict({name: value.float() for name, value in vae_weights.items()})

    weights = torch.load(os.path.join(work, "transformer.pt"), weights_only=True)
    transformer = WanTransformer3DModel(**config.TRANSFORMER)
    transformer.load_state_dict(part(weights, "transformer."))
    tokenizer = T5TokenizerFast.from_pretrained(os.path.join(work, "tokenizer"))
    text_encoder = transformer_model.make_text_encoder(len(tokenizer))
    text_encoder.load_state_dict(part(weights, "text_encoder."), strict=False)  # the embedding is there under one name
    text_encoder.encoder.embed_tokens.weight = text_encoder.shared.weight

    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True,
                                        flow_shift=config.FLOW_SHIFT, num_train_timesteps=1000, solver_order=2)
    for component in ("scheduler", "text_encoder", "tokenizer", "transformer", "vae"):
        shutil.rmtree(os.path.join(folder, component), ignore_errors=True)
    pipeline = WanPipeline(tokenizer=tokenizer, text_encoder=text_encoder.to(config.DTYPE), vae=vae.to(config.DTYPE),
                           scheduler=scheduler, transformer=transformer.to(config.DTYPE))
    pipeline.save_pretrained(folder, max_shard_size=MAX_SHARD)
    shutil.copy(os.path.join(work, "tokenizer", "spiece.model"), os.path.join(folder, "tokenizer"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("folder")
    save(**vars(parser.parse_args()))
