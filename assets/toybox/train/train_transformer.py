"""Trains the transformer and the text encoder together, by flow matching as WanPipeline samples.

    python train_transformer.py WORK [--steps 12385] [--batch 64] [--start FOLDER] [--teach 0] [--rate 1] [--fit M]
                                [--minutes M]

Reads WORK/tokenizer, WORK/latents and WORK/statistics.json; goes on from WORK/transformer_state.pt, else begins with
the weights of the model folder --start (to tune a finished model; words beyond its own begin as noise, encoder layers
beyond its own as the identity), else from nothing. Begins as soon as the first latents are there and takes in more while
encode_clips.py writes them. Appends to WORK/transformer_log.csv and leaves the running mean of the weights in
WORK/transformer.pt at the end of every slice.

--teach trains the text encoder alone first, for so many steps (teach_encoder.py). --rate scales all learning rates of what
follows; --fit sets the number of steps, once their pace is known, to what fits into M minutes.
"""

import argparse
import json
import math
import os
import time

import numpy
import sentencepiece
import torch

import config
import encode_clips
import grammar
import teach_encoder
import transformer_model
from muon import Ema, Muon

MUON_LR, ADAM_LR, WEIGHT_DECAY, WARM_UP_STEPS = 2e-3, 8e-4, 0.02, 150
CONSTANT_SHARE = 0.4  # of the steps; then the learning rates fall to nothing in a straight line
CAPTION_DROPOUT = 0.1
CAPTIONS = 24  # of every clip: wordings and orders
HIGH_NOISE_EVERY = 5  # one sample in so many is drawn near pure noise, where layout and colours are decided
READER_WEIGHT = 0.05  # of the attributes' loss
REPORT_EVERY = 200
FIRST_SHARDS = 8  # of latents, at least, to begin with
PACE_STEPS = {500: 300, 3000: 2000}  # for --fit the pace is measured at the first of each two steps, since the second


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
        self.captions = torch.empty(self.clips, CAPTIONS, config.MAX_CAPTION_TOKENS, dtype=torch.long, device=device)
        self.tokenizer = tokenizer
        self.empty = transformer_model.tokens_of(tokenizer, [""])[0].to(device)
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
            self.captions[self.count:last] = self.captions_of(shard["codes"], self.count).to(self.device)
            self.count = last

    def captions_of(self, codes, first: int) -> torch.Tensor:
        """Tokens of several captions of every clip: [clips, CAPTIONS, MAX_CAPTION_TOKENS]."""
        rng = numpy.random.default_rng((1, first))
        texts = [grammar.sample_training_caption(scene, rng) for scene in map(grammar.scene_of, codes.tolist())
                 for _ in range(CAPTIONS)]
        return transformer_model.tokens_of(self.tokenizer, texts).view(len(codes), CAPTIONS, -1)

    def is_enough(self) -> bool:
        return self.count >= min(self.clips, FIRST_SHARDS * encode_clips.SHARD)

    def batch(self, count: int):
        """(latents [count, …] float32, tokens [count, MAX_CAPTION_TOKENS], codes [count, attributes])."""
        chosen = torch.randint(self.count, (count,), device=self.device)
        tokens = self.captions[chosen, torch.randint(CAPTIONS, (count,), device=self.device)]
        dropped = torch.rand(count, device=self.device) < CAPTION_DROPOUT
        return self.values[chosen].float(), torch.where(dropped[:, None], self.empty, tokens), self.codes[chosen]


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
    def __init__(self, tokenizer, device):
        self.transformer = transformer_model.Transformer()
        self.text_encoder = transformer_model.make_text_encoder(tokenizer.get_piece_size())
        self.transformer.initialise()
        self.tokenizer = tokenizer
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
        weights["shared.weight"] = self.take_embeddings(folder, weights["shared.weight"])
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

    def take_embeddings(self, folder: str, rows: torch.Tensor) -> torch.Tensor:
        """The folder's embedding of every piece that both tokenizers have, and noise of the same spread for the others."""
        theirs = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer", "spiece.model"))
        known = {theirs.id_to_piece(i): i for i in range(theirs.get_piece_size())}
        taken = rows.std() * torch.randn(self.tokenizer.get_piece_size(), rows.shape[1])
        for i in range(len(taken)):
            if self.tokenizer.id_to_piece(i) in known:
                taken[i] = rows[known[self.tokenizer.id_to_piece(i)]]
        return taken


def quarter_means(errors, sigmas) -> dict:
    """The loss, and its mean where sigma is in each quarter of 0…1 (empty where none was drawn)."""
    errors, sigmas = torch.cat(errors).cpu(), torch.cat(sigmas).cpu()
    means = {"loss": round(errors.mean().item(), 4)}
    for quarter in range(4):
        inside = errors[(sigmas >= quarter / 4) & (sigmas < (quarter + 1) / 4)]
        means[f"loss_q{quarter + 1}"] = round(inside.mean().item(), 4) if len(inside) else ""
    return means


def train(work, steps=12385, batch=64, start=None, teach=0, rate=1.0, fit=None, minutes=None, report_every=REPORT_EVERY) -> bool:
    """True when all steps are done."""
    config.set_up_torch()
    device, time_slice = config.device(), config.Slice(minutes)
    state_path = os.path.join(work, "transformer_state.pt")
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(work, "tokenizer", "spiece.model"))
    torch.manual_seed(0)
    model = Model(tokenizer, device)
    if start and not os.path.exists(state_path):
        model.load_folder(start)
    if teach and not os.path.exists(state_path):
        teach_encoder.teach(work, model, device, teach)
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
    reached = {}  # seconds, by step
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
        if fit is not None and (step in PACE_STEPS or step in PACE_STEPS.values()):
            norm.item()  # waits for the device
            reached[step] = time_slice.seconds()
            since = PACE_STEPS.get(step)
            if since in reached:
                pace_s = (reached[step] - reached[since]) / (step - since)
                steps = step + int((60 * fit - reached[step]) / pace_s)
                print(f"{1000 * pace_s:.1f} ms a step: {steps} steps", flush=True)
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
    parser.add_argument("--teach", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--fit", type=float)
    parser.add_argument("--minutes", type=float)
    raise SystemExit(0 if train(**vars(parser.parse_args())) else 75)
