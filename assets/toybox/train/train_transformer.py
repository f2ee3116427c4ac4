"""Trains the transformer and the text encoder together, by flow matching as WanPipeline samples.

    python train_transformer.py WORK [--steps 12385] [--batch 64] [--start FOLDER] [--minutes M]

Reads WORK/tokenizer, WORK/latents and WORK/statistics.json; goes on from WORK/transformer_state.pt, else begins with the
weights of the model folder --start (to tune a finished model), else from nothing. Appends to WORK/transformer_log.csv and
leaves the running mean of the weights in WORK/transformer.pt at the end of every slice.
"""

import argparse
import itertools
import json
import math
import os

import torch
from transformers import T5TokenizerFast

import config
import encode_clips
import grammar
import transformer_model
from muon import Ema, Muon

MUON_LR, ADAM_LR, WEIGHT_DECAY, WARM_UP_STEPS = 2e-3, 8e-4, 0.02, 150
CONSTANT_SHARE = 0.4  # of the steps; then the learning rates fall to nothing in a straight line
CAPTION_DROPOUT = 0.1
HIGH_NOISE_EVERY = 5  # one sample in so many is drawn near pure noise, where layout and colours are decided
REPORT_EVERY = 200


class Latents:
    """Normalised latents with their captions' tokens, on the device."""

    def __init__(self, work: str, tokenizer, device):
        with open(os.path.join(work, "statistics.json")) as file:
            statistics = json.load(file)
        mean, std = (torch.tensor(statistics[k], device=device).view(1, -1, 1, 1, 1) for k in ("mean", "std"))
        clips = statistics["clips"]
        self.values = torch.empty(clips, *config.LATENT_SHAPE, dtype=torch.bfloat16, device=device)
        self.codes = torch.empty(clips, len(grammar.ATTRIBUTES), dtype=torch.long, device=device)
        for first in range(0, clips, encode_clips.SHARD):
            shard = torch.load(encode_clips.shard_path(work, first // encode_clips.SHARD), weights_only=True)
            latents = shard["latents"].to(device).float()
            self.values[first:first + len(latents)] = (latents - mean) / std
            self.codes[first:first + len(latents)] = shard["codes"].to(device)
        self.captions = caption_table(tokenizer).to(device)
        self.empty = tokens_of(tokenizer, [""])[0].to(device)

    def batch(self, count: int):
        """(latents [count, …] float32, tokens [count, MAX_CAPTION_TOKENS])."""
        device = self.values.device
        chosen = torch.randint(len(self.values), (count,), device=device)
        wordings = torch.randint(self.captions.shape[5], (count,), device=device)
        tokens = self.captions[(*self.codes[chosen].unbind(1), wordings)]
        dropped = torch.rand(count, device=device) < CAPTION_DROPOUT
        return self.values[chosen].float(), torch.where(dropped[:, None], self.empty, tokens)


def tokens_of(tokenizer, texts: list[str]) -> torch.Tensor:
    return torch.tensor(tokenizer(texts, padding="max_length", max_length=config.MAX_CAPTION_TOKENS).input_ids)


def caption_table(tokenizer) -> torch.Tensor:
    """Tokens of every caption: [shapes, colours, floors, motions, skies, wordings, MAX_CAPTION_TOKENS]."""
    texts = [grammar.caption(scene, motion, sky) for scene in grammar.all_scenes()
             for motion, sky in itertools.product(range(grammar.MOTION_WORDINGS), range(grammar.SKY_WORDINGS))]
    sizes = [len(values) for values in grammar.ATTRIBUTES]
    return tokens_of(tokenizer, texts).view(*sizes, -1, config.MAX_CAPTION_TOKENS)


def draw_sigmas(count: int, device) -> torch.Tensor:
    """Noise levels: stratified logit-normal, shifted as the sampler shifts them, and some near 1."""
    strata = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    u = torch.sigmoid(math.sqrt(2) * torch.erfinv((2 * strata - 1).clamp(-0.9999, 0.9999)))
    sigmas = config.FLOW_SHIFT * u / (1 + (config.FLOW_SHIFT - 1) * u)
    high = sigmas[HIGH_NOISE_EVERY - 2::HIGH_NOISE_EVERY]
    high.copy_(1 - 0.2 * torch.rand_like(high) ** 1.5)
    return sigmas


def loss_of(transformer, text_encoder, latents, tokens):
    """(squared error of the velocity [B], sigmas [B])."""
    mask = (tokens != config.TEXT_ENCODER["pad_token_id"]).long()
    sigmas = draw_sigmas(len(latents), latents.device)
    sigma = sigmas.view(-1, 1, 1, 1, 1)
    noise = torch.randn_like(latents)
    states = text_encoder(tokens, attention_mask=mask).last_hidden_state
    velocity = transformer((1 - sigma) * latents + sigma * noise, 1000 * sigmas, *transformer.embed_text(states, mask))
    return (velocity - (noise - latents)).square().mean((1, 2, 3, 4)), sigmas


class Model:
    def __init__(self, vocabulary: int, device):
        self.transformer, self.text_encoder = transformer_model.Transformer(), transformer_model.make_text_encoder(vocabulary)
        self.transformer.initialise()
        self.transformer.to(device).train()
        self.text_encoder.to(device).train()
        self.named = [("transformer." + k, p) for k, p in self.transformer.named_parameters()]
        self.named += [("text_encoder." + k, p) for k, p in self.text_encoder.named_parameters()]
        self.parameters = [p for _, p in self.named]

    @torch.no_grad()
    def load_folder(self, folder: str):
        from diffusers import WanTransformer3DModel
        from transformers import UMT5EncoderModel
        weights = WanTransformer3DModel.from_pretrained(os.path.join(folder, "transformer")).state_dict()
        self.transformer.load_state_dict(weights)
        encoder = UMT5EncoderModel.from_pretrained(os.path.join(folder, "text_encoder"), dtype=torch.float32)
        self.text_encoder.load_state_dict(encoder.state_dict())


def quarter_means(errors, sigmas) -> dict:
    """The loss, and its mean where sigma is in each quarter of 0…1 (empty where none was drawn)."""
    errors, sigmas = torch.cat(errors).cpu(), torch.cat(sigmas).cpu()
    means = {"loss": round(errors.mean().item(), 4)}
    for quarter in range(4):
        inside = errors[(sigmas >= quarter / 4) & (sigmas < (quarter + 1) / 4)]
        means[f"loss_q{quarter + 1}"] = round(inside.mean().item(), 4) if len(inside) else ""
    return means


def train(work, steps=12385, batch=64, start=None, minutes=None, report_every=REPORT_EVERY) -> bool:
    """True when all steps are done."""
    config.set_up_torch()
    device, time_slice = config.device(), config.Slice(minutes)
    state_path = os.path.join(work, "transformer_state.pt")
    tokenizer = T5TokenizerFast.from_pretrained(os.path.join(work, "tokenizer"))
    torch.manual_seed(0)
    model = Model(len(tokenizer), device)
    if start and not os.path.exists(state_path):
        model.load_folder(start)
    optimizer = Muon(model.named, MUON_LR, ADAM_LR, weight_decay=WEIGHT_DECAY,
                     is_matrix=lambda name, p: name.startswith("transformer.blocks.") and p.dim() == 2)
    ema = Ema(model.parameters)
    step = 0
    if os.path.exists(state_path):
        state = torch.load(state_path, map_location=device, weights_only=True)
        with torch.no_grad():
            for p, saved in zip(model.parameters, state["weights"], strict=True):
                p.copy_(saved)
        optimizer.load_state_dict(state["optimizer"])
        ema.load(state["ema"])
        step = state["step"]
    torch.manual_seed(1 + step)
    if device.type == "cuda":
        transformer_model.use_compile()
    data = Latents(work, tokenizer, device)

    def save():
        config.save(state_path, {"weights": [p.detach() for p in model.parameters], "optimizer": optimizer.state_dict(),
                                 "ema": ema.mean, "step": step})
        config.save(os.path.join(work, "transformer.pt"),
                    {name: mean.bfloat16().cpu() for (name, _), mean in zip(model.named, ema.mean)})

    errors, sigmas = [], []
    while step < steps and not time_slice.over():
        optimizer.zero_grad()
        error, sigma = loss_of(model.transformer, model.text_encoder, *data.batch(batch))
        error.mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters, 1.0, foreach=True)
        factor = min(1, (step + 1) / WARM_UP_STEPS) * min(1, (1 - step / steps) / (1 - CONSTANT_SHARE))
        optimizer.step(factor)
        step += 1
        ema.update(step)
        errors.append(error.detach())
        sigmas.append(sigma)
        if step % report_every == 0 or step == steps:
            means = quarter_means(errors, sigmas)
            if not math.isfinite(means["loss"]):
                raise RuntimeError(f"step {step}: the loss is not finite; run again to go on from {state_path}")
            config.log(os.path.join(work, "transformer_log.csv"), step=step, samples=step * batch, lr=round(factor, 3),
                       **means, gradient_norm=round(norm.item(), 2), seconds=round(time_slice.seconds()))
            errors, sigmas = [], []
        if time_slice.save_is_due():
            save()
    save()
    return step >= steps


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    parser.add_argument("--steps", type=int, default=12385)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--start")
    parser.add_argument("--minutes", type=float)
    raise SystemExit(0 if train(**vars(parser.parse_args())) else 75)
