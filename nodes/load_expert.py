"""LoadExpert: a file or a diffusers folder to a MODEL. LoadExpertVAE: the VAE of the embedded experts in latents."""
from __future__ import annotations

import os

import folder_paths
import torch
from comfy_api.latest import io

from ..mcdm.experts.files import EXTENSIONS, files_of, is_folder
from .checks import CheckedCombo, check_choice, require
from .common import CATEGORY, search_aliases

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILTIN = os.path.join(ROOT, "mcdm", "builtin")
VAES = os.path.join(BUILTIN, "vae")
FIRST = "builtin/faces_text.safetensors"       # words are the easiest to try
DTYPES = {
    "default": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


def _register() -> None:
    """Adds models/experts to the folders that extra_model_paths.yaml has added."""
    folder_paths.add_model_folder_path("experts", os.path.join(folder_paths.models_dir, "experts"))
    paths, extensions = folder_paths.folder_names_and_paths["experts"]
    folder_paths.folder_names_and_paths["experts"] = (paths, set(extensions) | set(EXTENSIONS))


_register()


def _files() -> dict[str, str]:
    """{name in the combo: path}, read anew each time; a diffusers folder is one entry."""
    found = {}
    for name in sorted(os.listdir(BUILTIN)):
        if name.endswith(EXTENSIONS):
            found[f"builtin/{name}"] = os.path.join(BUILTIN, name)
    for name in folder_paths.get_filename_list("experts"):
        path = folder_paths.get_full_path("experts", name)
        if path and name.lower().endswith(EXTENSIONS):
            found.setdefault(*_entry(name, path))
    return found


def _entry(name: str, path: str) -> tuple[str, str]:
    """(name, path) of the outermost diffusers folder around a file, or of the file itself."""
    entry = name, path
    inner, directory = os.path.dirname(name), os.path.dirname(path)
    while inner:
        if is_folder(directory):
            entry = inner, directory
        inner, directory = os.path.dirname(inner), os.path.dirname(directory)
    return entry


def _stamp(path: str) -> list[tuple[str, int, int]]:
    """Changes when a file behind an expert does: (path, time of its last change, size) of each."""
    behind = files_of(path)
    stamps = []
    for file in (behind.weights, behind.sidecar, *behind.parts):
        if file and os.path.isfile(file):
            status = os.stat(file)
            stamps.append((file, status.st_mtime_ns, status.st_size))
    return stamps


class LoadExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        names = list(_files())
        return io.Schema(
            node_id="LoadExpert",
            display_name="Load Expert",
            category=CATEGORY,
            **search_aliases("checkpoint", "model loader", "ADM", "GLIDE", "DiT", "SiT"),
            description="Loads a diffusion network with its own condition as an ordinary MODEL: the pack's embedded "
                        "experts, or files in models/experts.",
            inputs=[
                io.Combo.Input("expert", options=names, default=FIRST if FIRST in names else None,
                               tooltip="An embedded expert, or a file or diffusers folder in models/experts. Of the "
                                       "embedded ones, faces_text, faces_text_128 and scenes_text take words (Text "
                                       "Condition), scenes_class takes a class (Class Condition), faces_embedding "
                                       "takes a picture (Embedding Condition), and the other faces take maps (Map "
                                       "Condition). Load Stable Diffusion and similar models with their own loaders."),
                CheckedCombo("weight_dtype", optional=True, options=list(DTYPES), default="default",
                             tooltip="Data type of the weights in memory. 'default' lets ComfyUI choose what suits "
                                     "the device."),
            ],
            outputs=[
                io.Model.Output(display_name="model",
                                tooltip="An ordinary MODEL: LoRA, patches and the stock KSampler work on it."),
            ],
        )

    @classmethod
    def validate_inputs(cls, expert: str) -> bool | str:
        if expert not in _files():
            return f"Expert '{expert}' is neither embedded nor in models/experts; choose one from the list."
        return True

    @classmethod
    def fingerprint_inputs(cls, expert: str, weight_dtype: str = "default") -> str:
        path = _files().get(expert)
        return f"{expert} {weight_dtype} {path and _stamp(path)}"

    @classmethod
    def execute(cls, expert: str, weight_dtype: str = "default") -> io.NodeOutput:
        from ..mcdm.experts.load import load_expert
        require(cls.validate_inputs(expert))
        require(check_choice(weight_dtype, DTYPES, "weight_dtype"))
        fast_fp8 = weight_dtype == "fp8_e4m3fn_fast"
        return io.NodeOutput(load_expert(_files()[expert], expert, DTYPES[weight_dtype], fast_fp8))


def _vaes() -> dict[str, str]:
    """{name in the combo: path} of the embedded VAEs."""
    return {f"builtin/{name}": os.path.join(VAES, name) for name in sorted(os.listdir(VAES))}


class LoadExpertVAE(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadExpertVAE",
            display_name="Load Expert VAE",
            category=CATEGORY,
            **search_aliases("VAE", "autoencoder", "latent space"),
            description="Loads the VAE of the embedded experts that draw latents, as an ordinary VAE.",
            inputs=[
                CheckedCombo("vae", optional=True, options=list(_vaes()), default=next(iter(_vaes()), None),
                             tooltip="drawings: the VAE of faces_text_128, for drawings of any size. Experts that draw "
                                     "pixels take pixel_space from ComfyUI's Load VAE."),
            ],
            outputs=[
                io.Vae.Output(display_name="vae",
                              tooltip="For VAE Decode, VAE Encode, and for vae of Condition Expert where experts of "
                                      "several latent spaces unite."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, vae: str = "") -> str:
        path = _vaes().get(vae)
        return f"{vae} {path and _stamp(path)}"

    @classmethod
    def execute(cls, vae: str = "") -> io.NodeOutput:
        from ..mcdm.experts.vae import load_vae
        vaes = _vaes()
        require(check_choice(vae or None, vaes, "vae"))
        vae = vae or next(iter(vaes))
        return io.NodeOutput(load_vae(vaes[vae], vae))
