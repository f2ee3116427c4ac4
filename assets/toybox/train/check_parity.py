"""Shows that the training's own modules compute what diffusers' do, with the weights of a model folder, in float32.

    python check_parity.py FOLDER
"""

import argparse

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from transformers import T5TokenizerFast, UMT5EncoderModel

import config
import transformer_model
import vae_model

TOLERANCE = 1e-4  # of the reference's standard deviation


def compare(name, ours, reference) -> float:
    error = ((ours - reference).abs().max() / reference.std()).item()
    print(f"{name}: largest difference {error:.1e} of the standard deviation")
    if not error < TOLERANCE:
        raise RuntimeError(f"{name} differs from diffusers: {error:.1e} > {TOLERANCE:.0e}")
    return error


@torch.no_grad()
def check(folder: str):
    generator = torch.Generator().manual_seed(0)
    random = lambda *shape: torch.randn(*shape, generator=generator)
    working_dtype, config.DTYPE = config.DTYPE, torch.float32
    try:
        reference = AutoencoderKLWan.from_pretrained(folder, subfolder="vae")
        ours = vae_model.Vae()
        ours.load_state_dict(reference.state_dict())
        clip = random(1, 3, 9, 40, 48).clamp(-1, 1)
        posterior = reference.encode(clip).latent_dist
        mean, log_variance = ours.encode(clip)
        compare("VAE encoder, mean", mean, posterior.mean)
        compare("VAE encoder, log-variance", log_variance, posterior.logvar)
        latents = random(1, config.VAE["z_dim"], 3, 10, 12)
        compare("VAE decoder", ours.decode(latents).clamp(-1, 1), reference.decode(latents).sample)

        tokenizer = T5TokenizerFast.from_pretrained(folder, subfolder="tokenizer")
        encoder = UMT5EncoderModel.from_pretrained(folder, subfolder="text_encoder").float()
        reference = WanTransformer3DModel.from_pretrained(folder, subfolder="transformer")
        ours = transformer_model.Transformer()
        ours.load_state_dict(reference.state_dict())
        tokens = tokenizer(["a red sphere bouncing on a green floor", ""], padding="max_length",
                           max_length=config.MAX_CAPTION_TOKENS, return_tensors="pt")
        mask = tokens.attention_mask
        states = encoder(tokens.input_ids, attention_mask=mask).last_hidden_state * mask[..., None]
        padded = torch.nn.functional.pad(states, (0, 0, 0, config.TEXT_LENGTH - states.shape[1]))
        latents, timestep = random(2, config.VAE["z_dim"], 3, 10, 12), torch.tensor([900.0, 350.0])
        compare("transformer", ours(latents, timestep, *ours.embed_text(states, mask)),
                reference(latents, timestep, padded).sample)
    finally:
        config.DTYPE = working_dtype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    check(parser.parse_args().folder)
