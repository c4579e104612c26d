"""LoadExpert: a file or a diffusers folder to a MODEL."""
import os

import folder_paths
import torch
from comfy_api.latest import io

from ..mcdm.experts.checkpoint import EXTENSIONS, files, is_folder
from .common import CATEGORY, choice, search

BUILTIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mcdm", "builtin")
DTYPES = {"default": None, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
          "fp8_e4m3fn": torch.float8_e4m3fn, "fp8_e4m3fn_fast": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}


def _register():
    """models/experts beside whatever extra_model_paths.yaml has added."""
    folder_paths.add_model_folder_path("experts", os.path.join(folder_paths.models_dir, "experts"))
    paths, extensions = folder_paths.folder_names_and_paths["experts"]
    folder_paths.folder_names_and_paths["experts"] = (paths, set(extensions) | set(EXTENSIONS))


_register()


def _files():
    """{name in the combo: path}, read anew each time; a diffusers folder is one entry."""
    found = {f"builtin/{f}": os.path.join(BUILTIN, f) for f in sorted(os.listdir(BUILTIN)) if f.endswith(EXTENSIONS)}
    for name in folder_paths.get_filename_list("experts"):
        path = folder_paths.get_full_path("experts", name)
        if path and name.lower().endswith(EXTENSIONS):
            found.setdefault(*_entry(name, path))
    return found


def _entry(name, path):
    """(name, path) of the outermost diffusers folder around a file, or of the file itself."""
    entry, inner, directory = (name, path), os.path.dirname(name), os.path.dirname(path)
    while inner:
        if is_folder(directory):
            entry = inner, directory
        inner, directory = os.path.dirname(inner), os.path.dirname(directory)
    return entry


def _stamp(path):
    """Changes when a file behind an expert does."""
    _, weights, sidecar, parts = files(path)
    stats = [(f, os.stat(f)) for f in (weights, sidecar, *parts) if f and os.path.isfile(f)]
    return [(f, s.st_mtime_ns, s.st_size) for f, s in stats]


class LoadExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = list(_files())
        return io.Schema(
            node_id="LoadExpert", display_name="Load Expert", category=CATEGORY, **search("checkpoint", "model loader", "ADM", "GLIDE", "DiT", "SiT"),
            description="Loads a diffusion network with a condition of its own as an ordinary MODEL: the pack's embedded experts, or files in models/experts.",
            inputs=[
                io.Combo.Input("expert", options=names, default=names[0] if names else None,
                               tooltip="An embedded expert (builtin/...), or a file or diffusers folder in models/experts. "
                                       "Stable Diffusion and the like come from their own loaders."),
                io.Combo.Input("weight_dtype", optional=True, options=list(DTYPES), default="default",
                               tooltip="Number type of the weights in memory. 'default' lets ComfyUI choose what suits the device."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="An ordinary MODEL: LoRA, patches and the stock KSampler work on it.")],
        )

    @classmethod
    def validate_inputs(cls, expert, weight_dtype="default"):
        if expert not in _files():
            return f"Expert '{expert}' is neither embedded nor in models/experts; choose one from the list."
        return choice(weight_dtype, DTYPES, "weight_dtype")

    @classmethod
    def fingerprint_inputs(cls, expert, weight_dtype="default"):
        path = _files().get(expert)
        return f"{expert} {weight_dtype} {path and _stamp(path)}"

    @classmethod
    def execute(cls, expert, weight_dtype="default") -> io.NodeOutput:
        from ..mcdm.experts.load import load_expert
        checked = cls.validate_inputs(expert, weight_dtype)
        if checked is not True:
            raise ValueError(checked)
        return io.NodeOutput(load_expert(_files()[expert], expert, DTYPES[weight_dtype], fast_fp8=weight_dtype == "fp8_e4m3fn_fast"))
