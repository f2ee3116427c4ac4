"""The Wan 2.1 VAE with the parameter names of diffusers' AutoencoderKLWan and a forward over the whole clip at once.

diffusers codes a clip in chunks of four frames with a cache; without one the same sums run faster and keep gradients.
check_parity.py holds the two against each other. Tensors are [B, C, T, H, W]; products are in the input's dtype.

Kernels of (3, 1, 1) and (1, 1, 1) are computed as linear layers: oneDNN's bfloat16 conv3d gives NaN weight gradients for
the former.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

import config

CHANNELS_LAST = torch.channels_last_3d


def to_last(x):
    return x.permute(0, 2, 3, 4, 1)


def to_first(x):
    return x.permute(0, 4, 1, 2, 3)


def over_frames(function, x):
    """Applies a function of images [N, C, H, W] to every frame."""
    batch = x.shape[0]
    y = function(to_last(x).flatten(0, 1).permute(0, 3, 1, 2))
    return to_first(y.permute(0, 2, 3, 1).unflatten(0, (batch, -1)))


def conv2d(module, x, **options):
    weight = module.weight.to(x.dtype).contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, weight, module.bias.to(x.dtype), **options)


def time_linear(x_last, module, stride: int):
    """A kernel of three frames, one pixel: x_last [B, T, H, W, C] gives [B, C', (T - 3) // stride + 1, H, W]."""
    count = (x_last.shape[1] - 3) // stride + 1
    taps = torch.cat([x_last[:, k:k + (count - 1) * stride + 1:stride] for k in range(3)], -1)
    weight = module.weight.to(x_last.dtype)[..., 0, 0].permute(0, 2, 1).flatten(1)
    return to_first(F.linear(taps, weight, module.bias.to(x_last.dtype)))


class CausalConv(nn.Conv3d):
    """Looks at this frame and the two before it; zeros come before the first."""

    def forward(self, x):
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        kernel = tuple(weight.shape[2:])
        if kernel == (1, 1, 1):
            return to_first(F.linear(to_last(x), weight.flatten(1), bias))
        padded = F.pad(to_last(x), (0, 0, 0, 0, 0, 0, 2, 0))
        if kernel == (3, 1, 1):
            return time_linear(padded, self, stride=1)
        return F.conv3d(to_first(padded), weight.contiguous(memory_format=CHANNELS_LAST), bias, padding=(0, 1, 1))


def unit(x_last, gamma):
    """RMS norm over the last axis, in float32."""
    return F.normalize(x_last.float(), dim=-1) * gamma.numel() ** 0.5 * gamma.reshape(-1)


def unit_silu(x_last, gamma):
    return F.silu(unit(x_last, gamma)).to(x_last.dtype)


class Norm(nn.Module):
    """RMS norm over the channels, then SiLU."""

    fused = staticmethod(unit_silu)

    def __init__(self, channels, axes=3):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * axes))

    def forward(self, x):
        return to_first(self.fused(to_last(x), self.gamma))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = Norm(inputs), CausalConv(inputs, outputs, 3)
        self.norm2, self.conv2 = Norm(outputs), CausalConv(outputs, outputs, 3)
        self.conv_shortcut = CausalConv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return self.conv_shortcut(x) + self.conv2(self.norm2(self.conv1(self.norm1(x))))


class AttentionBlock(nn.Module):
    """One head over the pixels of each frame."""

    def __init__(self, channels):
        super().__init__()
        self.norm = Norm(channels, axes=2)
        self.to_qkv, self.proj = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    @staticmethod
    def _linear(module, x):
        return F.linear(x, module.weight[..., 0, 0].to(x.dtype), module.bias.to(x.dtype))

    def forward(self, x):
        batch, channels, frames, height, width = x.shape
        pixels = to_last(x).reshape(batch * frames, height * width, channels)
        q, k, v = self._linear(self.to_qkv, unit(pixels, self.norm.gamma).to(x.dtype)).chunk(3, -1)
        mixed = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + to_first(self._linear(self.proj, mixed).view(batch, frames, height, width, channels))


class Upsample(nn.Module):
    """Twice the height and width; with `in_time`, every frame but the first becomes two."""

    def __init__(self, channels, in_time):
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), nn.Conv2d(channels, channels // 2, 3, padding=1))
        if in_time:
            self.time_conv = CausalConv(channels, 2 * channels, (3, 1, 1))

    def forward(self, x):
        if hasattr(self, "time_conv") and x.shape[2] > 1:
            pairs = self.time_conv(x[:, :, 1:]).unflatten(1, (2, -1))  # [B, 2, C, T - 1, H, W]
            x = torch.cat([x[:, :, :1], pairs.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)], 2)
        return over_frames(lambda y: conv2d(self.resample[1], F.interpolate(y, scale_factor=2, mode="nearest-exact"),
                                            padding=1), x)


class Downsample(nn.Module):
    """Half the height and width; with `in_time`, pairs of frames after the first become one."""

    def __init__(self, channels, in_time):
        super().__init__()
        self.resample = nn.Sequential(nn.Identity(), nn.Conv2d(channels, channels, 3, stride=2))
        if in_time:
            self.time_conv = CausalConv(channels, channels, (3, 1, 1), stride=(2, 1, 1))

    def forward(self, x):
        x = over_frames(lambda y: conv2d(self.resample[1], F.pad(y, (0, 1, 0, 1)), stride=2), x)
        if hasattr(self, "time_conv") and x.shape[2] > 1:
            x = torch.cat([x[:, :, :1], time_linear(to_last(x), self.time_conv, stride=2)], 2)
        return x


class MidBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.attentions = nn.ModuleList([AttentionBlock(channels)])
        self.resnets = nn.ModuleList([ResidualBlock(channels, channels), ResidualBlock(channels, channels)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class UpBlock(nn.Module):
    def __init__(self, inputs, outputs, blocks, upsample, in_time):
        super().__init__()
        self.resnets = nn.ModuleList(ResidualBlock(inputs if i == 0 else outputs, outputs) for i in range(blocks + 1))
        self.upsamplers = nn.ModuleList([Upsample(outputs, in_time)]) if upsample else None

    def forward(self, x):
        for block in [*self.resnets, *(self.upsamplers or [])]:
            x = block(x)
        return x


class Encoder(nn.Module):
    def __init__(self, base, outputs, multipliers, blocks, in_time):
        super().__init__()
        widths = [base * m for m in [1, *multipliers]]
        self.conv_in = CausalConv(3, widths[0], 3)
        self.down_blocks = nn.ModuleList()
        for level, (inputs, width) in enumerate(zip(widths[:-1], widths[1:])):
            for block in range(blocks):
                self.down_blocks.append(ResidualBlock(inputs if block == 0 else width, width))
            if level < len(multipliers) - 1:
                self.down_blocks.append(Downsample(width, in_time[level]))
        self.mid_block = MidBlock(widths[-1])
        self.norm_out, self.conv_out = Norm(widths[-1]), CausalConv(widths[-1], outputs, 3)

    def forward(self, x):
        x = self.conv_in(x)
        for block in [*self.down_blocks, self.mid_block]:
            x = block(x)
        return self.conv_out(self.norm_out(x))


class Decoder(nn.Module):
    def __init__(self, base, inputs, multipliers, blocks, in_time):
        super().__init__()
        widths = [base * m for m in [multipliers[-1], *reversed(multipliers)]]
        self.conv_in, self.mid_block = CausalConv(inputs, widths[0], 3), MidBlock(widths[0])
        last = len(multipliers) - 1
        self.up_blocks = nn.ModuleList(
            UpBlock(before // 2 if level > 0 else before, width, blocks, level < last, level < last and in_time[level])
            for level, (before, width) in enumerate(zip(widths[:-1], widths[1:])))
        self.norm_out, self.conv_out = Norm(widths[-1]), CausalConv(widths[-1], 3, 3)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(self.norm_out(x))


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        c = config.VAE
        z, in_time = c["z_dim"], c["temperal_downsample"]
        self.encoder = Encoder(c["base_dim"], 2 * z, c["dim_mult"], c["num_res_blocks"], in_time)
        self.quant_conv, self.post_quant_conv = CausalConv(2 * z, 2 * z, 1), CausalConv(z, z, 1)
        self.decoder = Decoder(c["decoder_base_dim"], z, c["dim_mult"], c["num_res_blocks"], in_time[::-1])

    def encode(self, clips):
        """Clips in -1…1 to the posterior's mean and log-variance, float32."""
        moments = self.quant_conv(self.encoder(clips.contiguous(memory_format=CHANNELS_LAST)))
        mean, log_variance = moments.float().chunk(2, 1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, latents):
        return self.decoder(self.post_quant_conv(latents.contiguous(memory_format=CHANNELS_LAST))).float()

    def initialise(self):
        """Quiet residual branches and a posterior that begins narrow."""
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                module.conv2.weight.data.mul_(0.3)
        z = config.VAE["z_dim"]
        self.quant_conv.weight.data[z:] *= 0.1
        self.quant_conv.bias.data.zero_()
        self.quant_conv.bias.data[z:] = -5


def use_compile():
    """Fuses the norms; worth its start-up time on a GPU only."""
    torch._dynamo.config.cache_size_limit = 64
    compiled = torch.compile(unit_silu)

    def flat(x_last, gamma):
        rows = x_last.contiguous().view(-1, x_last.shape[-1])
        torch._dynamo.mark_dynamic(rows, 0)
        return compiled(rows, gamma).view(x_last.shape)

    Norm.fused = staticmethod(flat)


def to_model(clips_u8, device):
    """uint8 [B, T, H, W, 3] to float32 [B, 3, T, H, W] in -1…1."""
    return to_first(torch.as_tensor(clips_u8).to(device)).float() / 127.5 - 1
