"""From a user's words, class or picture to the CONDITIONING that an expert was trained on."""
from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..mcdm.experts.modality import Modality, conditioning
from ..mcdm.host.models import embedded_for
from .checks import LowerBound, check_choice
from .common import ADVANCED, CATEGORY, modalities, search_aliases

MODALITIES = ("auto", "hair", "skin", "face", "sketch", "low resolution", "inpainting")


def find_modality(model: Any, kind: str, name: str = "auto", encoded: bool = False) -> Modality:
    """A MODEL's modality of a kind ("map", "text", "class", "vector"); encoded: or one that has an encoder for it.

    Raises ValueError that names the modalities it has instead.
    """
    available = modalities(model)
    if not available:
        raise ValueError(f"This MODEL ({type(model.model).__name__}) is not an expert from LoadExpert; use the "
                         "condition nodes that belong to it, such as CLIP Text Encode, or Load Expert with a "
                         f"file such as {', '.join(embedded_for(kind))}.")
    fitting = []
    for modality in available.values():
        of_kind = modality.kind == kind or (encoded and modality.encoder)
        if of_kind and name in ("auto", modality.name):
            fitting.append(modality)
    if not fitting:
        taken = ", ".join(f"{modality.name} ({modality.kind})" for modality in available.values())
        wanted = kind if name == "auto" else f"{name} ({kind})"
        raise ValueError(f"This expert takes {taken}, not {wanted}; use the condition node of that kind, or choose "
                         f"another file in Load Expert, such as {', '.join(embedded_for(kind))}.")
    if len(fitting) > 1:
        names = ", ".join(modality.name for modality in fitting)
        raise ValueError(f"This expert takes several maps: {names}; choose one as modality.")
    return fitting[0]


def show(node: type[io.ComfyNode], message: str) -> None:
    """Writes a line under the node if there is a page to show it."""
    unique_id = getattr(node.hidden, "unique_id", None)
    if unique_id is not None:
        from comfy_execution.progress import get_progress_state
        from server import PromptServer
        if getattr(PromptServer, "instance", None) is not None:
            displayed = get_progress_state().dynprompt.get_display_node_id(unique_id)   # of which this may be a copy
            PromptServer.instance.send_progress_text(message, displayed)


MODEL = io.Model.Input("model", tooltip="The expert that this condition is for, from LoadExpert.")
ADD_TO = io.Conditioning.Input("condition", optional=True,
                               tooltip="Another condition of the same expert, to which this one is added.")
OUTPUT = io.Conditioning.Output(display_name="condition",
                                tooltip="For the Condition Expert of the same model, or the stock KSampler.")


class TextCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextCondition",
            display_name="Text Condition",
            category=CATEGORY,
            **search_aliases("prompt", "words", "CLIP Text Encode"),
            description="Describes the picture to a text expert in free words, and names the words that it was never "
                        "taught.",
            inputs=[
                MODEL,
                io.String.Input("text", multiline=True, default="long red hair, glasses, smiling, blue background",
                                tooltip="Free text in the expert's vocabulary. Leave out anything that does not "
                                        "matter."),
                ADD_TO,
            ],
            outputs=[OUTPUT],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, model: Any, text: str, condition: list | None = None) -> io.NodeOutput:
        modality = find_modality(model, "text", encoded=True)
        if modality.labels:
            from ..mcdm.conditions.words import encode
        else:
            from ..mcdm.conditions.tokens import encode
        inputs, message = encode(text, modality)
        show(cls, message)
        return io.NodeOutput(conditioning(inputs, into=condition), ui={"text": (message,)})


class ClassCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ClassCondition",
            display_name="Class Condition",
            category=CATEGORY,
            **search_aliases("label", "ImageNet"),
            description="The class that a class-conditional expert should draw.",
            inputs=[
                MODEL,
                io.String.Input("label", default="0",
                                tooltip="The number of the class, or its name if the expert's file lists names."),
            ],
            outputs=[OUTPUT],
        )

    @classmethod
    def execute(cls, model: Any, label: str) -> io.NodeOutput:
        from ..mcdm.conditions.classes import encode
        return io.NodeOutput(conditioning(encode(label, find_modality(model, "class"))))


class MapCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MapCondition",
            display_name="Map Condition",
            category=CATEGORY,
            **search_aliases("segmentation", "mask", "sketch", "edges", "canny"),
            description="Turns a picture or mask of any size into the map that the expert was trained on: a region, "
                        "edges, or the picture to enlarge.",
            inputs=[
                MODEL,
                io.Combo.Input("modality", optional=True, options=list(MODALITIES), default="auto",
                               tooltip="Which map of the expert this is; 'auto' = its only one."),
                io.Image.Input("image", optional=True,
                               tooltip="A picture of the map, bright inside the region. Embedded sketch experts take "
                                       "any picture; the one of Unite and Conquer takes white lines on black, as the "
                                       "Canny node draws them. An upsampler takes the small picture."),
                io.Mask.Input("mask", optional=True,
                              tooltip="The map as a mask, instead of the image. Inpainting takes both: white is "
                                      "repainted."),
                ADD_TO,
                io.Float.Input("noise_augmentation", default=0.0, min=LowerBound(0.0), max=0.25, step=0.01,
                               tooltip="How much the embedded upsampler may change the small picture: noise of this "
                                       "strength is added to it, and the upsampler is told. 0 keeps what it shows; "
                                       "higher values let specks and small faults go, and small things with them.",
                               **ADVANCED),
            ],
            outputs=[OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, modality: str = "auto") -> bool | str:
        return check_choice(modality, MODALITIES, "modality")

    @classmethod
    def execute(cls, model: Any, modality: str = "auto", image: torch.Tensor | None = None,
                mask: torch.Tensor | None = None, condition: list | None = None,
                noise_augmentation: float = 0.0) -> io.NodeOutput:
        from ..mcdm.conditions.maps import encode
        chosen = find_modality(model, "map", modality)
        if chosen.encoding == "inpainting":
            if image is None or mask is None:
                raise ValueError("Map Condition 'inpainting' needs both an image and a mask, white where it should be "
                                 "repainted; connect both.")
        elif (image is None) == (mask is None):
            raise ValueError(f"Map Condition '{chosen.name}' needs either an image or a mask, not both; "
                             "connect one of the two.")
        return io.NodeOutput(conditioning(encode(image, mask, chosen, noise_augmentation), into=condition))
