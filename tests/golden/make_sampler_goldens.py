"""Makes tests/golden/data/samplers.safetensors and samplers.json: what diffusers' schedulers do with given velocities.

Run with the packages of requirements.txt.
"""
import itertools
import json
import pathlib

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "data"


def unipc(**kwargs):
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, **kwargs)


def main():
    cases = []
    for order, kind, final, lower in itertools.product((1, 2, 3), ("bh1", "bh2"), ("zero", "sigma_min"), (True, False)):
        for steps, shift in ((1, 3.0), (2, 1.0), (6, 5.0), (21, 12.0)):
            if not lower and (steps, final) != (6, "zero") and order > 1:
                continue
            cases.append(dict(name="UniPCMultistepScheduler", steps=steps, config=dict(solver_order=order, solver_type=kind, final_sigmas_type=final, lower_order_final=lower, flow_shift=shift)))
    cases.append(dict(name="UniPCMultistepScheduler", steps=8, config=dict(flow_shift=3.0, disable_corrector=[0, 2, 3])))
    cases.append(dict(name="UniPCMultistepScheduler", steps=50, config=dict(flow_shift=3.0, num_train_timesteps=500)))
    for steps, shift in itertools.product((1, 2, 5, 40), (1.0, 3.0, 7.0)):
        cases.append(dict(name="FlowMatchEulerDiscreteScheduler", steps=steps, config=dict(shift=shift)))

    tensors, kept = {}, []
    for index, case in enumerate(cases):
        scheduler = unipc(**case["config"]) if case["name"].startswith("UniPC") else FlowMatchEulerDiscreteScheduler(**case["config"])
        scheduler.set_timesteps(case["steps"])
        scheduler.set_begin_index(0)
        generator = torch.Generator().manual_seed(index)
        sample = torch.randn(1, 2, 3, 4, 5, generator=generator)
        tensors[f"{index}.noise"] = sample
        velocities = []
        try:
            for t in scheduler.timesteps:
                velocities.append(torch.randn(sample.shape, generator=generator))
                sample = scheduler.step(velocities[-1], t, sample, return_dict=False)[0]
        except torch.linalg.LinAlgError:  # an infinite last step of order 3 has no solution
            print("unsolvable:", case)
            del tensors[f"{index}.noise"]
            continue
        tensors[f"{index}.velocities"] = torch.stack(velocities)
        tensors[f"{index}.sigmas"] = scheduler.sigmas
        tensors[f"{index}.timesteps"] = scheduler.timesteps.float()
        tensors[f"{index}.sample"] = sample
        config = dict(scheduler.config)
        case["config"] = {k: v for k, v in config.items() if v is not None and not k.startswith("_")}
        case["index"] = index
        case["finite"] = bool(torch.isfinite(sample).all())
        kept.append(case)
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / "samplers.safetensors")
    (OUT / "samplers.json").write_text(json.dumps(kept, indent=0) + "\n")
    print(len(kept), "cases,", sum(not c["finite"] for c in kept), "not finite in diffusers")
    for c in kept:
        if not c["finite"]:
            print(c["steps"], {k: c["config"][k] for k in ("solver_order", "solver_type", "final_sigmas_type", "lower_order_final")})


if __name__ == "__main__":
    main()
