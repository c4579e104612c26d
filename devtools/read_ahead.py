"""What was read of ComfyUI beyond the versions that run the tests: the last part of docs/host.md."""
from __future__ import annotations

import textwrap

SAME = "as in 0.33.0, in what the pack uses"

# (file, commit in Comfy-Org/ComfyUI, what differs from 0.33.0)
READ: tuple[tuple[str, str, str], ...] = (
    ("comfy/cli_args.py", "03294572a5", SAME),
    ("comfy/controlnet.py", "03b1ca67fe", "hints are kept by their size, in dictionaries that a copy has for itself"),
    ("comfy/latent_formats.py", "75399d78dd", "more spaces; pixels are as they were"),
    ("comfy/ldm/modules/attention.py", "05080f6022", "a checkpoint may choose its attention; ours do not"),
    ("comfy/ldm/modules/diffusionmodules/util.py", "22ec285c2a", SAME),
    ("comfy/ldm/qwen_image21/model.py", "08f68f0919",
     "new: keeps what it has computed of a prompt, by the prompt itself, while `current_patcher` stays"),
    ("comfy/ldm/sensenova/sampling.py", "", "new, read in a copy: noise that grows with the picture; see below"),
    ("comfy/model_base.py", "094c74c1b7", "more families"),
    ("comfy/model_detection.py", "0b61ce5baa", SAME),
    ("comfy/model_management.py", "02b2b38861", SAME),
    ("comfy/model_patcher.py", "08d0e510f4", "`fast_disk`; a LoRA may replace modules, by object patches"),
    ("comfy/model_prefetch.py", "03fb330a7f", "graphs of memory may pause; cleaned up by thread, as before"),
    ("comfy/model_sampling.py", "2fd2083913", "as in 0.33.0: a flow's noise has a scale; see below"),
    ("comfy/ops.py", "0271a469fe", SAME),
    ("comfy/sampler_helpers.py", "53757775fa", "asks `memory_required` through a function"),
    ("comfy/samplers.py", "311c014061", "`inner_sample` runs in a cache of weights for NPUs, the lead's"),
    ("comfy/sd.py", "033046cc4f", SAME),
    ("comfy/supported_models.py", "01f03bbdc7", "new: MingImage, QwenImage21, SenseNovaU15, YuE2"),
    ("comfy/utils.py", "09708eae70", SAME),
    ("comfy_api/latest/__init__.py", "168efe45bb", SAME),
    ("comfy_api/latest/_io.py", "04e2a91433", "`Schema.loop_boundary`"),
    ("comfy_api/latest/_ui.py", "255ec42686", SAME),
    ("comfy_execution/caching.py", "0c5058b992", SAME),
    ("comfy_execution/graph.py", "0b45812024", "nodes may be replaced and left out while a prompt runs"),
    ("comfy_execution/progress.py", "1b71f27532", "a node may say what it spends its time on"),
    ("comfy_execution/validation.py", "503745c94c", "pairs the ends of loops"),
    ("comfy_extras/nodes_loop.py", "023f153c71", "new: *Start Loop* and *End Loop*; see below"),
    ("execution.py", "04e2a91433", "loops; the executor takes a manager of assets, and makes do without"),
    ("folder_paths.py", "1df2885ebd", SAME),
    ("latent_preview.py", "2d619ed9d6", "previews of videos may be compiled"),
    ("main.py", "02018c7eb5", "what a worker imports of it is as it was"),
    ("nodes.py", "02217e36a4", SAME),
    ("server.py", "002c3fb9a5", SAME),
)
NO_NEWER = (
    "comfy/conds.py", "comfy/hooks.py", "comfy/k_diffusion/sampling.py", "comfy/options.py",
    "comfy/patcher_extension.py", "comfy/sample.py", "comfy/supported_models_base.py", "comfy/weight_adapter/base.py",
    "comfy_api/torch_helpers/torch_compile.py", "comfy_execution/utils.py",
)
HEAD = """
## Read ahead

Of each file that has something of this page, the newest text that could be had (ComfyUI 0.34 to 0.38.1; in places it
may be that of a branch) was compared with 0.33.0 by eye. No name is gone, and none takes other parameters.

| File | Commit | What is new |
|---|---|---|
"""
TAIL = """
{missing}

- **Loops** copy the nodes between *Start Loop* and *End Loop* for each round. Previews, sheets, lines under nodes and
  errors go to the node that is shown. *Place Expert* works in a loop with workers, too: all rounds share its process.
- **The scale of a flow's noise**: HiDream-O1 takes noise eight times as strong, and *Model Noise Scale* sets it. Each
  expert is asked at the same signal-to-noise ratio, whatever its scale. That SenseNova's depends on the size of the
  picture is not followed: unite such experts with each other only.
- **Checked by itself**: the tests that compare this page with ComfyUI run in CI on its newest release and its master.
"""


def section() -> str:
    """The end of docs/host.md."""
    rows = "".join(f"| {path} | {commit} | {found} |\n" for path, commit, found in READ)
    missing = f"No newer text could be had of {', '.join(NO_NEWER)}."
    return HEAD + rows + TAIL.format(missing=textwrap.fill(missing, 120))
