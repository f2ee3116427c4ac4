"""The Wan 2.1 transformer with the parameter names of diffusers' WanTransformer3DModel, and a forward made for training:
bfloat16 products of float32 weights, queries, keys and values in one product, and the text's padding folded into one key.

check_parity.py holds it against diffusers.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import config

EPSILON = config.TRANSFORMER["eps"]
HEADS = config.TRANSFORMER["num_attention_heads"]
HEAD_DIM = config.TRANSFORMER["attention_head_dim"]
WIDTH = HEADS * HEAD_DIM
PATCH = config.TRANSFORMER["patch_size"]
NO_KEY = -30000.0  # attention bias of a key that is not there


def linear(x, *modules):
    """One product for the weights of one or several linear layers."""
    weight = torch.cat([m.weight for m in modules]) if len(modules) > 1 else modules[0].weight
    bias = torch.cat([m.bias for m in modules]) if len(modules) > 1 else modules[0].bias
    return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))


def rms_norm(x, weight):
    x = x.float()
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPSILON) * weight


def layer_norm(x):
    return F.layer_norm(x.float(), (WIDTH,), eps=EPSILON)


def rotate(x, cos, sin):
    """x [B, N, WIDTH] as heads of pairs, turned: [B, N, HEADS, HEAD_DIM]."""
    a, b = x.unflatten(-1, (HEADS, HEAD_DIM // 2, 2)).unbind(-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q, self.to_k, self.to_v = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.to_out = nn.ModuleList([nn.Linear(WIDTH, WIDTH)])
        self.norm_q, self.norm_k = Scale(), Scale()

    def over_tokens(self, x, cos, sin):
        q, k, v = linear(x, self.to_q, self.to_k, self.to_v).chunk(3, -1)
        q = rotate(rms_norm(q, self.norm_q.weight), cos, sin).to(x.dtype).transpose(1, 2)
        k = rotate(rms_norm(k, self.norm_k.weight), cos, sin).to(x.dtype).transpose(1, 2)
        v = v.unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2)
        return linear(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), self.to_out[0])

    def over_text(self, x, text, bias):
        q = rms_norm(linear(x, self.to_q), self.norm_q.weight).to(x.dtype)
        k, v = linear(text, self.to_k, self.to_v).chunk(2, -1)
        k = rms_norm(k, self.norm_k.weight).to(x.dtype)
        q, k, v = (y.unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2) for y in (q, k, v))
        # The text is short: its scores fit, and a bias takes the place of 512 keys.
        weights = torch.softmax((q @ k.transpose(-1, -2)).float() * HEAD_DIM ** -0.5 + bias, -1).to(x.dtype)
        return linear((weights @ v).transpose(1, 2).flatten(2), self.to_out[0])


class Projection(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.proj = nn.Linear(WIDTH, outputs)


class FeedForward(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.net = nn.ModuleList([Projection(hidden), nn.Identity(), nn.Linear(hidden, WIDTH)])

    def forward(self, x):
        return linear(F.gelu(linear(x, self.net[0].proj), approximate="tanh"), self.net[2])


class Block(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.attn1, self.attn2, self.norm2 = Attention(), Attention(), nn.LayerNorm(WIDTH, eps=EPSILON)
        self.ffn = FeedForward(hidden)
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 6, WIDTH))

    def forward(self, x, text, bias, modulation, cos, sin):
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.scale_shift_table + modulation).chunk(6, 1)
        y = self.attn1.over_tokens((layer_norm(x) * (1 + scale1) + shift1).to(x.dtype), cos, sin)
        x = (x.float() + y.float() * gate1).to(x.dtype)
        y = (layer_norm(x) * self.norm2.weight + self.norm2.bias).to(x.dtype)
        x = x + self.attn2.over_text(y, text, bias)
        y = self.ffn((layer_norm(x) * (1 + scale2) + shift2).to(x.dtype))
        return (x.float() + y.float() * gate2).to(x.dtype)


class TwoLinears(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, WIDTH)


class ConditionEmbedder(nn.Module):
    def __init__(self, frequencies, text_width):
        super().__init__()
        self.time_embedder, self.time_proj = TwoLinears(frequencies), nn.Linear(WIDTH, 6 * WIDTH)
        self.text_embedder = TwoLinears(text_width)


def rotary_widths():
    """Channels of a head that turn with time, height and width."""
    side = 2 * (HEAD_DIM // 6)
    return HEAD_DIM - 2 * side, side, side


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        c = config.TRANSFORMER
        self.frequencies = c["freq_dim"]
        self.patch_embedding = nn.Conv3d(c["in_channels"], WIDTH, PATCH, PATCH)
        self.condition_embedder = ConditionEmbedder(c["freq_dim"], c["text_dim"])
        self.blocks = nn.ModuleList(Block(c["ffn_dim"]) for _ in range(c["num_layers"]))
        self.proj_out = nn.Linear(WIDTH, c["out_channels"] * math.prod(PATCH))
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 2, WIDTH))
        self._turns = {}

    def turns(self, grid, device):
        if (grid, device) not in self._turns:
            angles = []
            for axis, (channels, length) in enumerate(zip(rotary_widths(), grid)):
                speeds = 10000.0 ** -(torch.arange(0, channels, 2, dtype=torch.float64) / channels)
                shape = [1, 1, 1, -1]
                shape[axis] = length
                angles.append(torch.outer(torch.arange(length, dtype=torch.float64), speeds).view(shape).expand(*grid, -1))
            angles = torch.cat(angles, -1).flatten(0, 2)
            self._turns[grid, device] = (angles.cos().float().to(device), angles.sin().float().to(device))
        return self._turns[grid, device]

    def embed_text(self, states, mask):
        """Encoder states [B, L, text_dim] and mask [B, L] to (keys [B, L + 1, WIDTH], bias [B, 1, 1, L + 1]).

        WanPipeline pads the states with zero vectors to 512. Those keys are all alike, so one of them with the bias
        log(their number) has the same effect.
        """
        states = states.float() * mask[..., None]
        states = torch.cat([states, torch.zeros_like(states[:, :1])], 1)
        t = self.condition_embedder.text_embedder
        text = t.linear_2(F.gelu(t.linear_1(states), approximate="tanh"))
        length = mask.sum(1, keepdim=True).float()
        bias = torch.cat([(1 - mask.float()) * NO_KEY, torch.log(config.TEXT_LENGTH - length)], 1)
        return text.to(config.DTYPE), bias[:, None, None]

    def forward(self, latents, timestep, text, bias):
        """latents [B, C, T, h, w], timestep [B] in 0…1000; the predicted velocity (noise − clip), float32."""
        batch, _, frames, height, width = latents.shape
        grid = (frames, height // PATCH[1], width // PATCH[2])
        patches = latents.unflatten(4, (-1, PATCH[2])).unflatten(3, (-1, PATCH[1]))  # [B, C, T, gh, 2, gw, 2]
        patches = patches.permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(1, 3).to(config.DTYPE)
        x = F.linear(patches, self.patch_embedding.weight.flatten(1).to(config.DTYPE),
                     self.patch_embedding.bias.to(config.DTYPE))

        half = self.frequencies // 2
        speeds = torch.exp(-math.log(10000) * torch.arange(half, device=x.device, dtype=torch.float32) / half)
        angles = timestep.float()[:, None] * speeds
        t = self.condition_embedder.time_embedder
        time = t.linear_2(F.silu(t.linear_1(torch.cat([angles.cos(), angles.sin()], -1))))
        modulation = self.condition_embedder.time_proj(F.silu(time)).unflatten(1, (6, -1))

        cos, sin = self.turns(grid, x.device)
        for block in self.blocks:
            x = block(x, text, bias, modulation, cos, sin)
        shift, scale = (self.scale_shift_table + time[:, None]).chunk(2, 1)
        x = linear((layer_norm(x) * (1 + scale) + shift).to(x.dtype), self.proj_out).float()
        x = x.view(batch, *grid, PATCH[1], PATCH[2], -1).permute(0, 6, 1, 2, 4, 3, 5)
        return x.reshape(batch, -1, frames, height, width)

    def initialise(self):
        for name, p in self.named_parameters():
            if p.dim() >= 2 and "table" not in name:
                nn.init.normal_(p, std=1 / math.sqrt(p[0].numel()))
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        for block in self.blocks:
            for module in (block.attn1.to_out[0], block.attn2.to_out[0], block.ffn.net[2]):
                module.weight.data.mul_(0.5 / math.sqrt(len(self.blocks)))
            block.scale_shift_table.data[:, [2, 5]] = 1.0  # gates begin open
        c = self.condition_embedder
        nn.init.normal_(c.time_embedder.linear_1.weight, std=0.02)
        c.time_proj.weight.data.mul_(0.02)
        self.proj_out.weight.data.zero_()
        self._point_first_heads_at_neighbours()

    def _point_first_heads_at_neighbours(self, layers=3):
        """Gives each head of the first layers a neighbour (frame, row, column) to look at, through biases on the fast
        rotary pairs: the score of a pair of tokens is largest at that offset."""
        offsets = ((0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1), (0, -2, 0), (0, 0, 2),
                   (-1, 0, 0), (1, 0, 0), (0, 0, 0), (0, 2, 0), (0, 0, -2), (0, -1, 0))
        for layer in range(min(layers, len(self.blocks))):
            attention = self.blocks[layer].attn1
            for head in range(HEADS):
                offset = offsets[(layer * HEADS + head) % len(offsets)]
                channel = head * HEAD_DIM
                for axis, channels in enumerate(rotary_widths()):
                    for pair in range(min(3, channels // 2)):
                        angle = 10000.0 ** (-2 * pair / channels) * offset[axis]
                        strength = 2.2 / (1 + 0.5 * pair) * (0.6 if axis == 0 else 1)
                        at = channel + 2 * pair
                        attention.to_q.bias.data[at] = strength * math.cos(angle)
                        attention.to_q.bias.data[at + 1] = strength * math.sin(angle)
                        attention.to_k.bias.data[at] = strength
                    channel += channels
            for projection, norm in ((attention.to_q, attention.norm_q), (attention.to_k, attention.norm_k)):
                projection.weight.data.mul_(0.4)
                norm.weight.data.fill_(1.3)


def make_text_encoder(vocabulary: int):
    from transformers import UMT5Config, UMT5EncoderModel
    encoder = UMT5EncoderModel(UMT5Config(vocab_size=vocabulary, **config.TEXT_ENCODER))
    encoder.encoder.embed_tokens.weight = encoder.shared.weight
    return encoder


def tokens_of(tokenizer, texts: list[str]) -> torch.Tensor:
    """[texts, MAX_CAPTION_TOKENS], each ended and padded."""
    rows = [ids + [tokenizer.eos_id()] for ids in tokenizer.encode(texts)]
    return torch.tensor([ids + [tokenizer.pad_id()] * (config.MAX_CAPTION_TOKENS - len(ids)) for ids in rows])


class AttributeReader(nn.Module):
    """Reads every attribute of the scene off every token's state: for training only, where its loss makes the encoder write
    into each state what the whole sentence says."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = list(sizes)
        self.linear = nn.Linear(config.TEXT_ENCODER["d_model"], sum(self.sizes))

    def right(self, states, mask, codes):
        """By attribute, the share of the tokens off which it is read rightly: [attributes]."""
        shares = [((scores.argmax(-1) == codes[:, i:i + 1]) * mask).sum() / mask.sum()
                  for i, scores in enumerate(self.linear(states.float()).split(self.sizes, -1))]
        return torch.stack(shares)

    def loss(self, states, mask, codes):
        """Mean cross-entropy over tokens and attributes: states [B, L, width], mask [B, L], codes [B, attributes]."""
        total = 0
        for i, scores in enumerate(self.linear(states.float()).split(self.sizes, -1)):
            each = F.cross_entropy(scores.transpose(1, 2), codes[:, i:i + 1].expand(mask.shape), reduction="none")
            total = total + (each * mask).sum() / mask.sum().clamp_min(1)
        return total / len(self.sizes)


def use_compile():
    """Fuses what lies between a block's products; worth its start-up time on a GPU only."""
    torch._dynamo.config.cache_size_limit = 32
    Block.forward = torch.compile(Block.forward, dynamic=False)
