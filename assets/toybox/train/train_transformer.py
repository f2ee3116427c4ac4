"""Trains the transformer and the text encoder together, by flow matching as WanPipeline samples.

    python train_transformer.py WORK [--steps 12385] [--batch 64] [--start FOLDER] [--rate 1] [--fit M] [--minutes M]

Reads WORK/tokenizer, WORK/latents and WORK/statistics.json; goes on from WORK/transformer_state.pt, else begins with
the weights of the model folder --start (to tune a finished model; encoder layers beyond its own begin as the identity),
else from nothing. Begins as soon as the first latents are there and takes in more while encode_clips.py writes them. Appends to
WORK/transformer_log.csv and leaves the running mean of the weights in WORK/transformer.pt at the end of every slice.
--rate scales all learning rates; --fit sets the number of steps, once their pace is known, to what fits into M minutes.
"""

import argparse
import itertools
import json
import math
import os
import time

import sentencepiece
import torch

import config
import encode_clips
import grammar
import transformer_model
from muon import Ema, Muon

MUON_LR, ADAM_LR, WEIGHT_DECAY, WARM_UP_STEPS = 2e-3, 8e-4, 0.02, 150
CONSTANT_SHARE = 0.4  # of the steps; then the learning rates fall to nothing in a straight line
CAPTION_DROPOUT = 0.1
HIGH_NOISE_EVERY = 5  # one sample in so many is drawn near pure noise, where layout and colours are decided
READER_WEIGHT = 0.02  # of the attributes' loss
REPORT_EVERY = 200
FIRST_SHARDS = 8  # of latents, at least, to begin with
PACE_STEPS = (300, 500)  # the steps between which the pace is measured for --fit


class Latents:
    """Normalised latents with their captions' tokens, on the device."""

    def __init__(self, work: str, tokenizer, device):
        self.work, self.device, self.count = work, device, 0
        with open(os.path.join(work, "statistics.json")) as file:
            statistics = json.load(file)
        self.mean, self.std = (torch.tensor(statistics[k], device=device).view(1, -1, 1, 1, 1) for k in ("mean", "std"))
        self.clips = statistics["clips"]
        self.values = torch.empty(self.clips, *config.LATENT_SHAPE, dtype=torch.bfloat16, device=device)
        self.codes = torch.empty(self.clips, len(grammar.ATTRIBUTES), dtype=torch.long, device=device)
        self.captions = caption_table(tokenizer).to(device)  # [attributes…, wordings, orders, tokens]
        self.orders = torch.tensor(grammar.ORDER_DRAW, device=device)
        self.empty = tokens_of(tokenizer, [""])[0].to(device)
        self.take_in()

    def take_in(self):
        """Reads the shards that have come since the last call, in their order."""
        while self.count < self.clips:
            path = encode_clips.shard_path(self.work, self.count // encode_clips.SHARD)
            if not os.path.exists(path):
                return
            shard = torch.load(path, weights_only=True)
            latents = shard["latents"].to(self.device).float()
            last = self.count + len(latents)
            self.values[self.count:last] = (latents - self.mean) / self.std
            self.codes[self.count:last] = shard["codes"].to(self.device)
            self.count = last

    def is_enough(self) -> bool:
        return self.count >= min(self.clips, FIRST_SHARDS * encode_clips.SHARD)

    def batch(self, count: int):
        """(latents [count, …] float32, tokens [count, MAX_CAPTION_TOKENS], codes [count, attributes])."""
        chosen = torch.randint(self.count, (count,), device=self.device)
        wordings = torch.randint(self.captions.shape[5], (count,), device=self.device)
        orders = torch.multinomial(self.orders, count, replacement=True)
        codes = self.codes[chosen]
        tokens = self.captions[(*codes.unbind(1), wordings, orders)]
        dropped = torch.rand(count, device=self.device) < CAPTION_DROPOUT
        return self.values[chosen].float(), torch.where(dropped[:, None], self.empty, tokens), codes


def tokens_of(tokenizer, texts: list[str]) -> torch.Tensor:
    rows = [ids + [tokenizer.eos_id()] for ids in tokenizer.encode(texts)]
    return torch.tensor([ids + [tokenizer.pad_id()] * (config.MAX_CAPTION_TOKENS - len(ids)) for ids in rows])


def caption_table(tokenizer) -> torch.Tensor:
    """Tokens of every caption: [shapes, colours, floors, motions, skies, wordings, orders, MAX_CAPTION_TOKENS]."""
    wordings = list(itertools.product(range(grammar.MOTION_WORDINGS), range(grammar.SKY_WORDINGS)))
    texts = [grammar.caption(scene, motion, sky, order) for scene in grammar.all_scenes()
             for motion, sky in wordings for order in range(len(grammar.ORDERS))]
    sizes = [len(values) for values in grammar.ATTRIBUTES]
    return tokens_of(tokenizer, texts).view(*sizes, len(wordings), -1, config.MAX_CAPTION_TOKENS)


def draw_sigmas(count: int, device) -> torch.Tensor:
    """Noise levels: stratified logit-normal, shifted as the sampler shifts them, and some near 1."""
    strata = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    u = torch.sigmoid(math.sqrt(2) * torch.erfinv((2 * strata - 1).clamp(-0.9999, 0.9999)))
    sigmas = config.FLOW_SHIFT * u / (1 + (config.FLOW_SHIFT - 1) * u)
    high = sigmas[HIGH_NOISE_EVERY - 2::HIGH_NOISE_EVERY]
    high.copy_(1 - 0.2 * torch.rand_like(high) ** 1.5)
    return sigmas


def losses_of(model, latents, tokens, codes):
    """(squared error of the velocity [B], sigmas [B], loss of the attributes)."""
    mask = (tokens != config.TEXT_ENCODER["pad_token_id"]).long()
    sigmas = draw_sigmas(len(latents), latents.device)
    sigma = sigmas.view(-1, 1, 1, 1, 1)
    noise = torch.randn_like(latents)
    states = model.text_encoder(tokens, attention_mask=mask).last_hidden_state
    spoken = mask * (mask.sum(1, keepdim=True) > 1)  # an empty caption says nothing
    velocity = model.transformer((1 - sigma) * latents + sigma * noise, 1000 * sigmas,
                                 *model.transformer.embed_text(states, mask))
    return ((velocity - (noise - latents)).square().mean((1, 2, 3, 4)), sigmas,
            model.reader.loss(states, spoken, codes))


class Model:
    def __init__(self, vocabulary: int, device):
        self.transformer = transformer_model.Transformer()
        self.text_encoder = transformer_model.make_text_encoder(vocabulary)
        self.transformer.initialise()
        self.reader = transformer_model.AttributeReader(len(values) for values in grammar.ATTRIBUTES)
        self.named = []
        for prefix in ("transformer", "text_encoder", "reader"):
            part = getattr(self, prefix).to(device).train()
            self.named += [(f"{prefix}.{k}", p) for k, p in part.named_parameters()]
        self.parameters = [p for _, p in self.named]

    @torch.no_grad()
    def load_folder(self, folder: str):
        self.transformer.load_state_dict(config.read_weights(os.path.join(folder, "transformer")))
        weights = config.read_weights(os.path.join(folder, "text_encoder"))
        result = self.text_encoder.load_state_dict(weights, strict=False)
        layers = {int(name.split(".")[2]) for name in weights if name.startswith("encoder.block.")}
        missing = [name for name in result.missing_keys if name != "encoder.embed_tokens.weight"
                   and not (name.startswith("encoder.block.") and int(name.split(".")[2]) not in layers)]
        if missing or result.unexpected_keys:
            raise RuntimeError(f"{folder}: the text encoder lacks {missing} and has {result.unexpected_keys} beyond ours")
        for i, block in enumerate(self.text_encoder.encoder.block):
            if i not in layers:
                block.layer[0].SelfAttention.o.weight.zero_()
                block.layer[1].DenseReluDense.wo.weight.zero_()


def quarter_means(errors, sigmas) -> dict:
    """The loss, and its mean where sigma is in each quarter of 0…1 (empty where none was drawn)."""
    errors, sigmas = torch.cat(errors).cpu(), torch.cat(sigmas).cpu()
    means = {"loss": round(errors.mean().item(), 4)}
    for quarter in range(4):
        inside = errors[(sigmas >= quarter / 4) & (sigmas < (quarter + 1) / 4)]
        means[f"loss_q{quarter + 1}"] = round(inside.mean().item(), 4) if len(inside) else ""
    return means


def train(work, steps=12385, batch=64, start=None, rate=1.0, fit=None, minutes=None, report_every=REPORT_EVERY) -> bool:
    """True when all steps are done."""
    config.set_up_torch()
    device, time_slice = config.device(), config.Slice(minutes)
    state_path = os.path.join(work, "transformer_state.pt")
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(work, "tokenizer", "spiece.model"))
    torch.manual_seed(0)
    model = Model(tokenizer.get_piece_size(), device)
    if start and not os.path.exists(state_path):
        model.load_folder(start)
    optimizer = Muon(model.named, rate * MUON_LR, rate * ADAM_LR, weight_decay=WEIGHT_DECAY,
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
        if fit is not None:  # the number of steps once found stays
            steps = state["steps"]
    torch.manual_seed(1 + step)
    if device.type == "cuda":
        transformer_model.use_compile()
    data = Latents(work, tokenizer, device)
    while not data.is_enough() and not time_slice.over():
        time.sleep(2)
        data.take_in()

    def save():
        config.save(state_path, {"weights": [p.detach() for p in model.parameters], "optimizer": optimizer.state_dict(),
                                 "ema": ema.mean, "step": step, "steps": steps})
        means = {name: mean.bfloat16().cpu() for (name, _), mean in zip(model.named, ema.mean)}
        config.save(os.path.join(work, "transformer.pt"),
                    {name: mean for name, mean in means.items() if not name.startswith("reader.")})

    errors, sigmas = [], []
    pace_from = None
    while step < steps and not time_slice.over():
        optimizer.zero_grad()
        error, sigma, read = losses_of(model, *data.batch(batch))
        (error.mean() + READER_WEIGHT * read).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters, 1.0, foreach=True)
        factor = min(1, (step + 1) / WARM_UP_STEPS) * min(1, (1 - step / steps) / (1 - CONSTANT_SHARE))
        optimizer.step(factor)
        step += 1
        ema.update(step)
        errors.append(error.detach())
        sigmas.append(sigma)
        if fit is not None and step in PACE_STEPS:
            norm.item()  # waits for the device
            if step == PACE_STEPS[1] and pace_from is not None:
                pace_s = (time_slice.seconds() - pace_from) / (PACE_STEPS[1] - PACE_STEPS[0])
                steps = step + int((60 * fit - time_slice.seconds()) / pace_s)
                print(f"{1000 * pace_s:.1f} ms a step: {steps} steps", flush=True)
            pace_from = time_slice.seconds()
        if step % report_every == 0 or step == steps:
            means = quarter_means(errors, sigmas)
            if not math.isfinite(means["loss"]):
                raise RuntimeError(f"step {step}: the loss is not finite; run again to go on from {state_path}")
            config.log(os.path.join(work, "transformer_log.csv"), step=step, samples=step * batch, clips=data.count,
                       lr=round(rate * factor, 3), **means, attributes=round(read.item(), 4),
                       gradient_norm=round(norm.item(), 2), seconds=round(time_slice.seconds()))
            errors, sigmas = [], []
            data.take_in()
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
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--fit", type=float)
    parser.add_argument("--minutes", type=float)
    raise SystemExit(0 if train(**vars(parser.parse_args())) else 75)
