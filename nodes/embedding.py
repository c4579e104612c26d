"""EmbeddingCondition: one vector for an expert that takes an embedding (section 7.3)."""
import os

import comfy.utils
import folder_paths
import numpy
import torch
from comfy_api.latest import io

from ..mcdm.experts import checkpoint
from .common import CATEGORY, choice, search
from .conditions import ADD_TO, MODEL, OUTPUT, add, find_modality, show

VECTORS = (".safetensors", ".pt", ".npy")


class EmbeddingCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="EmbeddingCondition", display_name="Embedding Condition", category=CATEGORY, **search("CLIP vision", "vector"),
            description="A picture's or a text's embedding, one vector, for an expert that is conditioned on it. Connect one source.",
            inputs=[
                MODEL,
                io.ClipVisionOutput.Input("clip_vision_output", optional=True, tooltip="The embedding of a picture, from CLIP Vision Encode."),
                io.Conditioning.Input("clip_text", optional=True, tooltip="The embedding of a text: the pooled output of CLIP Text Encode."),
                io.Combo.Input("file", options=list(_vectors()), default="none",
                               tooltip="A vector in ComfyUI's input folder: .safetensors, .pt (a dictionary) or .npy with one tensor, "
                                       "[width] or [pictures, width]."),
                ADD_TO,
                io.Image.Input("image", optional=True, tooltip="A picture, for an expert that brings its own encoder, such as builtin/faces_embedding."),
            ],
            outputs=[OUTPUT], hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, file):
        return choice(file, _vectors(), "file")

    @classmethod
    def fingerprint_inputs(cls, file="none", **others):
        path = _vectors().get(file)
        return f"{file} {os.stat(path).st_mtime_ns if path else ''}"

    @classmethod
    def execute(cls, model, clip_vision_output=None, clip_text=None, file="none", condition=None, image=None) -> io.NodeOutput:
        modality = find_modality(model, "vector")
        checked = cls.validate_inputs(file)
        if checked is not True:
            raise ValueError(checked)
        count = (clip_vision_output is not None) + (clip_text is not None) + (file != "none") + (image is not None)
        if count != 1:
            raise ValueError(f"Embedding Condition takes one of clip_vision_output, clip_text, file and image, not {count or 'none'} of them.")
        if image is not None:
            source, vector = "the picture", _encoded(model, modality, image)
        elif clip_vision_output is not None:
            source, vector = "CLIP vision", clip_vision_output.image_embeds
        elif clip_text is not None:
            source, vector = "the text's pooled output", clip_text[0][1].get("pooled_output")
        else:
            source, vector = f"file '{file}'", _vector(_vectors()[file], file)
        width = modality.null.shape[-1]
        if vector is None:
            raise ValueError(f"Embedding Condition: {source} is missing; use a CLIP whose text encoder has one, by CLIP Text Encode.")
        vector = torch.atleast_2d(vector.float().cpu()).flatten(0, -2)
        if vector.shape[1] != width:
            raise ValueError(f"Embedding Condition: {modality.name} of this expert has {width} numbers, but {source} gives {vector.shape[1]}; "
                             "use the CLIP that it was trained with.")
        if not torch.isfinite(vector).all():
            raise ValueError(f"Embedding Condition: {source} holds NaN or infinite values.")
        if modality.encoding == "unit":
            vector = torch.nn.functional.normalize(vector, dim=1)
        message = f"{modality.name} of {width} numbers from {source}"
        show(cls, message)
        return io.NodeOutput(add({modality.key: vector}, condition), ui={"text": (message,)})


def _encoded(model, modality, image):
    """Vectors [B, width] of pictures [B, H, W, 3] by the expert's own encoder. Raises ValueError where it has none."""
    if modality.encoder is None:
        raise ValueError(f"Embedding Condition: this expert takes {modality.name} of another encoder and brings none; "
                         "use CLIP Vision Encode with the CLIP that it was trained with.")
    height, width = model.model.fixed_size
    pixels = comfy.utils.common_upscale(image[..., :3].movedim(-1, 1).float(), width, height, "area", "center")
    return modality.encoder.image(2 * pixels.clamp(0, 1) - 1)


def _vectors():
    """{name in the combo: path}, read anew each time."""
    folder = folder_paths.get_input_directory()
    return {"none": None} | {f: os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.endswith(VECTORS)}


def _vector(path, name):
    """The one tensor of numbers in a file; plain data only, no code is run."""
    try:
        if path.endswith(".npy"):
            held = {name: torch.from_numpy(numpy.array(numpy.load(path, mmap_mode="r", allow_pickle=False)))}
        else:
            held, _ = checkpoint.read(path)
    except Exception as error:
        raise ValueError(f"Embedding file '{name}' cannot be read: it is damaged or not plain data ({error}).") from error
    tensors = [t for t in held.values() if t.numel() and t.is_floating_point()]
    if len(tensors) != 1:
        raise ValueError(f"Embedding file '{name}' holds {len(tensors)} tensors of numbers; Embedding Condition takes a file with one.")
    return tensors[0]
