"""LoadExpert: a file to a MODEL."""
import os

import folder_paths
import torch
from comfy_api.latest import io

from .common import CATEGORY, choice

BUILTIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mcdm", "builtin")
EXTENSIONS = (".safetensors", ".pt", ".pth")
DTYPES = {"default": None, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

if "experts" not in folder_paths.folder_names_and_paths:
    folder_paths.folder_names_and_paths["experts"] = ([os.path.join(folder_paths.models_dir, "experts")], set(EXTENSIONS))


def _files():
    """{name in the combo: path}, read anew each time."""
    builtin = {f"builtin/{f}": os.path.join(BUILTIN, f) for f in sorted(os.listdir(BUILTIN)) if f.endswith(EXTENSIONS)}
    own = {f: folder_paths.get_full_path("experts", f) for f in folder_paths.get_filename_list("experts") if f.endswith(EXTENSIONS)}
    return builtin | {name: path for name, path in own.items() if path}


class LoadExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        files = list(_files())
        return io.Schema(
            node_id="LoadExpert", display_name="Load Expert", category=CATEGORY,
            description="Loads a diffusion network with a condition of its own as an ordinary MODEL: the pack's embedded experts, or files in models/experts.",
            inputs=[
                io.Combo.Input("expert", options=files, default=files[0] if files else None,
                               tooltip="An embedded expert (builtin/...) or a file in models/experts. Stable Diffusion and the like come from their own loaders."),
                io.Combo.Input("weight_dtype", options=list(DTYPES), default="default",
                               tooltip="Number type of the weights in memory. 'default' lets ComfyUI choose what suits the device."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="An ordinary MODEL: LoRA, patches and the stock KSampler work on it.")],
        )

    @classmethod
    def validate_inputs(cls, expert, weight_dtype):
        if expert not in _files():
            return f"Expert file '{expert}' is neither embedded nor in models/experts; choose one from the list."
        return choice(weight_dtype, DTYPES, "weight_dtype")

    @classmethod
    def fingerprint_inputs(cls, expert, weight_dtype="default"):
        path = _files().get(expert)
        stat = os.stat(path) if path and os.path.isfile(path) else None
        return f"{expert} {weight_dtype} {stat and (stat.st_mtime_ns, stat.st_size)}"

    @classmethod
    def execute(cls, expert, weight_dtype="default") -> io.NodeOutput:
        from ..mcdm.experts.load import load_expert
        checked = cls.validate_inputs(expert, weight_dtype)
        if checked is not True:
            raise ValueError(checked)
        return io.NodeOutput(load_expert(_files()[expert], expert, DTYPES[weight_dtype]))
