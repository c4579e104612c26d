"""From a user's words, class or picture to the CONDITIONING that an expert was trained on."""
import logging

import comfy.utils
import torch
from comfy_api.latest import io

from .common import CATEGORY, choice, modalities

MODALITIES = ("auto", "hair", "skin", "sketch")


def _modality(model, kind, name="auto"):
    """The expert's modality of a kind ("map", "text", "class"). Raises ValueError naming what it has instead."""
    available = modalities(model)
    if not available:
        raise ValueError(f"This MODEL ({type(model.model).__name__}) is not an expert from LoadExpert; use the condition nodes that belong to it, "
                         "such as CLIP Text Encode.")
    fitting = [m for m in available.values() if m.kind == kind and name in ("auto", m.name)]
    if not fitting:
        raise ValueError(f"This expert takes {', '.join(f'{m.name} ({m.kind})' for m in available.values())}, not "
                         f"{kind if name == 'auto' else f'{name} ({kind})'}; use the matching condition node.")
    if len(fitting) > 1:
        raise ValueError(f"This expert takes several maps: {', '.join(m.name for m in fitting)}; choose one as modality.")
    return fitting[0]


def _conditioning(model, modality, tensor, condition):
    from ..mcdm.experts.model import conditioning
    return conditioning({modality.key: tensor}, into=condition)


_MODEL = io.Model.Input("model", tooltip="The expert that this condition is for, from LoadExpert.")
_ADD_TO = io.Conditioning.Input("condition", optional=True, tooltip="Another condition of the same expert, to add this one to.")
_OUTPUT = io.Conditioning.Output(display_name="condition")


class TextCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TextCondition", display_name="Text Condition", category=CATEGORY,
            description="Describes the picture to a text expert in free words. Words it was never taught are named.",
            inputs=[
                _MODEL,
                io.String.Input("text", multiline=True, default="long red hair, glasses, smiling, blue background",
                                tooltip="Free text over the expert's vocabulary. Leave out what may be anything."),
                _ADD_TO,
            ],
            outputs=[_OUTPUT], hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, model, text, condition=None) -> io.NodeOutput:
        from ..mcdm.experts.vocabulary import parse
        modality = _modality(model, "text")
        found, unknown = parse(text, modality.labels, modality.synonyms)
        if not found:
            raise ValueError(f"The text expert knows no word of '{text}'. It knows: {', '.join(modality.labels)}.")
        message = f"understood: {', '.join(found)}" + (f"; not known: {', '.join(unknown)}" if unknown else "")
        if unknown:
            logging.warning(f"MCDM: Text Condition {message}. The expert knows: {', '.join(modality.labels)}.")
        _show(cls, message)
        bag = torch.tensor([[float(label in found) for label in modality.labels]])
        return io.NodeOutput(_conditioning(model, modality, bag, condition), ui={"text": (message,)})


def _show(node, message):
    """Writes a line under the node, where there is a page to show it."""
    unique_id = getattr(node.hidden, "unique_id", None)
    if unique_id is not None:
        from server import PromptServer
        if getattr(PromptServer, "instance", None) is not None:
            PromptServer.instance.send_progress_text(message, unique_id)


class ClassCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ClassCondition", display_name="Class Condition", category=CATEGORY,
            description="The class that a class-conditional expert shall draw.",
            inputs=[_MODEL, io.String.Input("label", default="0", tooltip="The number of the class, or its name where the expert's file lists names.")],
            outputs=[_OUTPUT],
        )

    @classmethod
    def execute(cls, model, label) -> io.NodeOutput:
        modality = _modality(model, "class")
        names = [n.lower() for n in modality.labels]
        text = str(label).strip()
        index = int(text) if text.isascii() and text.isdigit() else names.index(text.lower()) if text.lower() in names else -1
        if not 0 <= index < len(names):
            raise ValueError(f"Class '{label}' is unknown to this expert; give a number from 0 to {len(names) - 1} or one of: {', '.join(modality.labels)}.")
        one_hot = torch.nn.functional.one_hot(torch.tensor([index]), len(names)).float()
        return io.NodeOutput(_conditioning(model, modality, one_hot, None))


class MapCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MapCondition", display_name="Map Condition", category=CATEGORY,
            description="A picture or mask of any size becomes the map that the expert was trained on: a region, or the edges of a photograph.",
            inputs=[
                _MODEL,
                io.Combo.Input("modality", options=list(MODALITIES), default="auto", tooltip="Which map of the expert this is; 'auto' = its only one."),
                io.Image.Input("image", optional=True, tooltip="A picture of the map, bright where the region is; for a sketch expert any picture."),
                io.Mask.Input("mask", optional=True, tooltip="The map as a mask, instead of the image."),
                _ADD_TO,
            ],
            outputs=[_OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, modality):
        return choice(modality, MODALITIES, "modality")

    @classmethod
    def execute(cls, model, modality, image=None, mask=None, condition=None) -> io.NodeOutput:
        chosen = _modality(model, "map", modality)
        if (image is None) == (mask is None):
            raise ValueError(f"Map Condition '{chosen.name}' needs either an image or a mask, and not both; connect one of the two.")
        pixels = image[..., :3].movedim(-1, 1) if mask is None else mask.reshape(-1, 1, *mask.shape[-2:])
        if not torch.isfinite(pixels).all():
            raise ValueError(f"The picture for Map Condition '{chosen.name}' holds NaN or infinite values; connect another one.")
        channels, height, width = chosen.null.shape[1:]
        if chosen.encoding == "edges":
            region = _edges(comfy.utils.common_upscale(pixels.float(), width, height, "area", "center"))
        else:
            brightest = (pixels.amax(1, keepdim=True) >= 0.5).float()
            region = (comfy.utils.common_upscale(brightest, width, height, "area", "center") >= 0.5).float()
        return io.NodeOutput(_conditioning(model, chosen, (2 * region - 1).expand(-1, channels, -1, -1), condition))


def _edges(pixels):
    """Canny's edges [B, 1, H, W] in {0, 1}; pixels [B, 1 or 3, H, W] in [0, 1]."""
    from kornia.filters import canny
    return canny(pixels)[1]
