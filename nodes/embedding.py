"""EmbeddingCondition: one vector for an expert that takes an embedding (section 7.3)."""
from __future__ import annotations

import os
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io

from ..mcdm.conditions import vectors
from ..mcdm.experts.modality import conditioning
from .checks import check_choice, require
from .common import CATEGORY, search_aliases
from .conditions import ADD_TO, MODEL, OUTPUT, find_modality, show


class EmbeddingCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmbeddingCondition",
            display_name="Embedding Condition",
            category=CATEGORY,
            **search_aliases("CLIP vision", "vector"),
            description="The embedding of a picture or a text, one vector, for an expert that is conditioned on it. "
                        "Connect one source.",
            inputs=[
                MODEL,
                io.ClipVisionOutput.Input("clip_vision_output", optional=True,
                                          tooltip="The embedding of a picture, from CLIP Vision Encode."),
                io.Conditioning.Input("clip_text", optional=True,
                                      tooltip="The embedding of a text: the pooled output of CLIP Text Encode."),
                io.Combo.Input("file", options=list(_files()), default="none",
                               tooltip="A vector in ComfyUI's input folder: .safetensors, .pt (a dictionary) or .npy "
                                       "with one tensor, [width] or [pictures, width]."),
                ADD_TO,
                io.Image.Input("image", optional=True,
                               tooltip="A picture, for an expert with its own encoder, such as "
                                       "builtin/faces_embedding."),
            ],
            outputs=[OUTPUT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        return check_choice(file, _files(), "file")

    @classmethod
    def fingerprint_inputs(cls, file: str = "none", **others: Any) -> str:
        path = _files().get(file)
        return f"{file} {os.stat(path).st_mtime_ns if path else ''}"

    @classmethod
    def execute(cls, model: Any, clip_vision_output: Any = None, clip_text: list | None = None, file: str = "none",
                condition: list | None = None, image: torch.Tensor | None = None) -> io.NodeOutput:
        modality = find_modality(model, "vector")
        require(cls.validate_inputs(file))
        sources = [clip_vision_output, clip_text, image, None if file == "none" else file]
        count = sum(source is not None for source in sources)
        if count != 1:
            raise ValueError("Embedding Condition takes exactly one of clip_vision_output, clip_text, file and "
                             f"image, not {count}.")
        if image is not None:
            source, vector = "the picture", vectors.of_picture(image, modality, model.model.fixed_size)
        elif clip_vision_output is not None:
            source, vector = "CLIP vision", clip_vision_output.image_embeds
        elif clip_text is not None:
            source, vector = "the text's pooled output", clip_text[0][1].get("pooled_output")
        else:
            source, vector = f"file '{file}'", vectors.of_file(_files()[file], file)
        inputs = vectors.encode(vector, source, modality)
        message = f"{modality.name}: {modality.null.shape[-1]} numbers from {source}"
        show(cls, message)
        return io.NodeOutput(conditioning(inputs, into=condition), ui={"text": (message,)})


def _files() -> dict[str, str]:
    """{name in the combo: path, "" for none}, read anew each time."""
    folder = folder_paths.get_input_directory()
    names = sorted(name for name in os.listdir(folder) if name.endswith(vectors.EXTENSIONS))
    return {"none": ""} | {name: os.path.join(folder, name) for name in names}
