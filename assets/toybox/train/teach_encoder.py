"""Teaches the text encoder to read captions, before the transformer is tuned to scenes of more than one object.

Told only by the transformer's loss which object has which colour, the encoder reads a bag of words for a long time: this makes
it read first, on captions alone. Three losses are added:
- every attribute read off every token's state, as in the tuning that follows;
- off the first layer's state of a shape's word, that object's own colour and whether it is the first or the second: with
  these in place, colours go where shapes go;
- for captions of the kind that the encoder knows already, and for the empty one, the distance of its states from what they
  were, so that the transformer goes on understanding them.
"""

import copy
import os

import numpy
import torch
import torch.nn.functional as F

import config
import grammar
import transformer_model
from muon import Muon

CAPTIONS, HELD_OUT_CAPTIONS = 80000, 2000
PAIR_SHARE, EMPTY_SHARE = 0.6, 0.01
MUON_LR, ADAM_LR, WARM_UP_STEPS = 3e-3, 1e-3, 100
CONSTANT_SHARE = 0.5  # of the steps; then the learning rates fall to nothing in a straight line
REPORT_EVERY = 500


def draw(tokenizer, count: int, seed: int, held_out: bool):
    """(tokens [count, MAX_CAPTION_TOKENS], codes [count, attributes]); held-out scenes are of two objects."""
    rng = numpy.random.default_rng((2, seed))
    scenes, texts = [], []
    while len(scenes) < count:
        scene = grammar.sample_still_scene(rng, True) if held_out else grammar.sample_training_scene(rng, PAIR_SHARE)
        if grammar.is_held_out(scene) == held_out:
            scenes.append(scene)
            texts.append("" if not held_out and rng.random() < EMPTY_SHARE else grammar.sample_training_caption(scene, rng))
    return transformer_model.tokens_of(tokenizer, texts), torch.tensor([scene.codes() for scene in scenes])


class ObjectReader(torch.nn.Module):
    """Reads which object it is, and of which colour, off the state of a shape's word."""

    def __init__(self, tokenizer):
        super().__init__()
        self.linear = torch.nn.Linear(config.TEXT_ENCODER["d_model"], 2 * len(grammar.COLOURS))
        shapes = torch.tensor([tokenizer.piece_to_id("\u2581" + shape) for shape in grammar.SHAPES])
        self.register_buffer("shapes", shapes, persistent=False)
        self.first, self.second = (grammar.Scene._fields.index(name) for name in ("colour", "second_colour"))

    def loss(self, states, tokens, codes):
        named = (tokens[..., None] == self.shapes).any(-1)
        labels = torch.where(named.cumsum(1) == 1, codes[:, self.first, None],
                             codes[:, self.second, None] - 1 + len(grammar.COLOURS))
        states = states * torch.rsqrt(states.square().mean(-1, keepdim=True) + 1e-6)
        each = F.cross_entropy(self.linear(states).transpose(1, 2), labels, reduction="none")
        return (each * named).sum() / named.sum().clamp_min(1)


def teach(work: str, model, device, steps: int, batch: int = 512):
    encoder, reader, objects = model.text_encoder, model.reader, ObjectReader(model.tokenizer).to(device)
    before = copy.deepcopy(encoder).requires_grad_(False)
    tokens, codes = (x.to(device) for x in draw(model.tokenizer, min(CAPTIONS, steps * batch), 0, False))
    held_out = [x.to(device) for x in draw(model.tokenizer, HELD_OUT_CAPTIONS, 1, True)]
    motion, still = grammar.Scene._fields.index("motion"), len(grammar.MOTIONS)
    named = [(name, p) for name, p in model.named if not name.startswith("transformer.")] + list(objects.named_parameters())
    optimizer = Muon(named, MUON_LR, ADAM_LR, is_matrix=lambda name, p: name.startswith("text_encoder.encoder.block.")
                     and p.dim() == 2 and "relative_attention_bias" not in name)

    def losses(tokens, codes):
        mask = (tokens != config.TEXT_ENCODER["pad_token_id"]).long()
        output = encoder(tokens, attention_mask=mask, output_hidden_states=True)
        states = output.last_hidden_state
        spoken = mask * (mask.sum(1, keepdim=True) > 1)
        with torch.no_grad():
            known = before(tokens, attention_mask=mask).last_hidden_state
        kept = mask * ((codes[:, motion, None] != still) | (spoken == 0))
        change = ((states - known).square().mean(-1) * kept).sum() / (known.square().mean(-1) * kept).sum().clamp_min(1e-6)
        return reader.loss(states, spoken, codes), objects.loss(output.hidden_states[1], tokens, codes), change

    @torch.no_grad()
    def held_out_right():
        mask = (held_out[0] != config.TEXT_ENCODER["pad_token_id"]).long()
        return reader.right(encoder(held_out[0], attention_mask=mask).last_hidden_state, mask, held_out[1]).tolist()

    time_slice = config.Slice(None)
    for step in range(steps):
        chosen = torch.randint(len(tokens), (batch,), device=device)
        parts = losses(tokens[chosen], codes[chosen])
        optimizer.zero_grad()
        sum(parts).backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0, foreach=True)
        optimizer.step(min(1, (step + 1) / WARM_UP_STEPS) * min(1, (1 - step / steps) / (1 - CONSTANT_SHARE)))
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            read, told_apart, change = (round(part.item(), 4) for part in parts)
            config.log(os.path.join(work, "encoder_log.csv"), step=step + 1, attributes=read, objects=told_apart,
                       change=change, **{f"{name}_right": round(share, 3) for name, share in
                                         zip(grammar.Scene._fields, held_out_right())},
                       seconds=round(time_slice.seconds()))
    optimizer.zero_grad()
