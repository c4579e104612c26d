"""From a user's words, class or picture to the CONDITIONING that an expert was trained on."""
import logging

import comfy.utils
import torch
from comfy_api.latest import io

from .common import CATEGORY, choice, modalities, search

MODALITIES = ("auto", "hair", "skin", "face", "sketch", "low resolution", "inpainting")


def find_modality(model, kind, name="auto", encoded=False):
    """The expert's modality of a kind ("map", "text", "class", "vector"); encoded: or one that has an encoder for it.

    Raises ValueError naming what it has instead.
    """
    available = modalities(model)
    if not available:
        raise ValueError(f"This MODEL ({type(model.model).__name__}) is not an expert from LoadExpert; use the condition nodes that belong to it, "
                         "such as CLIP Text Encode.")
    fitting = [m for m in available.values() if (m.kind == kind or (encoded and m.encoder)) and name in ("auto", m.name)]
    if not fitting:
        raise ValueError(f"This expert takes {', '.join(f'{m.name} ({m.kind})' for m in available.values())}, not "
                         f"{kind if name == 'auto' else f'{name} ({kind})'}; use the matching condition node.")
    if len(fitting) > 1:
        raise ValueError(f"This expert takes several maps: {', '.join(m.name for m in fitting)}; choose one as modality.")
    return fitting[0]


def add(conditions, condition):
    """A CONDITIONING of {input of the network: tensor}, added to `condition` if that is given."""
    from ..mcdm.experts.model import conditioning
    return conditioning(conditions, into=condition)


MODEL = io.Model.Input("model", tooltip="The expert that this condition is for, from LoadExpert.")
ADD_TO = io.Conditioning.Input("condition", optional=True, tooltip="Another condition of the same expert, to add this one to.")
OUTPUT = io.Conditioning.Output(display_name="condition", tooltip="For the Condition Expert of the same model, or the stock KSampler.")


class TextCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TextCondition", display_name="Text Condition", category=CATEGORY, **search("prompt", "words", "CLIP Text Encode"),
            description="Describes the picture to a text expert in free words. Words it was never taught are named.",
            inputs=[
                MODEL,
                io.String.Input("text", multiline=True, default="long red hair, glasses, smiling, blue background",
                                tooltip="Free text over the expert's vocabulary. Leave out what may be anything."),
                ADD_TO,
            ],
            outputs=[OUTPUT], hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, model, text, condition=None) -> io.NodeOutput:
        from ..mcdm.conditions.words import parse
        modality = find_modality(model, "text", encoded=True)
        if not modality.labels:
            tokens, message = _tokens(text, modality.null)
            show(cls, message)
            return io.NodeOutput(add(tokens, condition), ui={"text": (message,)})
        found, unknown = parse(text, modality.labels, modality.synonyms)
        if not found:
            raise ValueError(f"The text expert knows no word of '{text}'. It knows: {', '.join(modality.labels)}.")
        message = f"understood: {', '.join(found)}" + (f"; not known: {', '.join(unknown)}" if unknown else "")
        if unknown:
            logging.warning(f"MCDM: Text Condition {message}. The expert knows: {', '.join(modality.labels)}.")
        show(cls, message)
        bag = torch.tensor([[float(label in found) for label in modality.labels]])
        return io.NodeOutput(add({modality.key: modality.encoder.text(bag) if modality.encoder else bag}, condition), ui={"text": (message,)})


def _tokens(text, null):
    """The network's tokens and their mask for a text, and a line for the user. null: [1, L], the end token, which pads."""
    from ..mcdm.conditions.tokens import encode
    end, length = int(null[0, 0]), null.shape[1]
    found = encode(text, end + 1)
    if len(found) > length:
        logging.warning(f"MCDM: Text Condition: the text has {len(found)} tokens, the expert reads the first {length} only.")
    kept = found[:length]
    tokens, mask = null.clone(), torch.zeros(1, length, dtype=torch.bool)
    tokens[0, :len(kept)], mask[0, :len(kept)] = torch.tensor(kept, dtype=torch.long), True
    return {"tokens": tokens, "mask": mask}, f"{len(kept)} of {len(found)} tokens, room for {length}"


def show(node, message):
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
            node_id="ClassCondition", display_name="Class Condition", category=CATEGORY, **search("label", "ImageNet"),
            description="The class that a class-conditional expert shall draw.",
            inputs=[MODEL, io.String.Input("label", default="0", tooltip="The number of the class, or its name where the expert's file lists names.")],
            outputs=[OUTPUT],
        )

    @classmethod
    def execute(cls, model, label) -> io.NodeOutput:
        modality = find_modality(model, "class")
        names = [n.lower() for n in modality.labels]
        text = str(label).strip().lower()
        index = names.index(text) if text in names else int(text) if text.isascii() and text.isdecimal() else -1
        if not 0 <= index < len(names):
            named = [n for n in modality.labels if not n.isdecimal()]
            words = f" or a name such as {', '.join(named[:5])}" if named else ""
            raise ValueError(f"Class '{label}' is unknown to this expert; give a number from 0 to {len(names) - 1}{words}.")
        value = torch.tensor([index])
        if modality.key == "labels":            # the embedded experts sum the embeddings of a bag
            value = torch.nn.functional.one_hot(value, len(names)).float()
        return io.NodeOutput(add({modality.key: value}, None))


class MapCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MapCondition", display_name="Map Condition", category=CATEGORY, **search("segmentation", "mask", "sketch", "edges", "canny"),
            description="A picture or mask of any size becomes the map that the expert was trained on: a region, edges, or the picture to enlarge.",
            inputs=[
                MODEL,
                io.Combo.Input("modality", optional=True, options=list(MODALITIES), default="auto",
                               tooltip="Which map of the expert this is; 'auto' = its only one."),
                io.Image.Input("image", optional=True,
                               tooltip="A picture of the map, bright where the region is. Embedded sketch experts take any picture, that of Unite and Conquer "
                                       "white lines on black, as the Canny node draws them. An upsampler takes the small picture."),
                io.Mask.Input("mask", optional=True, tooltip="The map as a mask, instead of the image. For inpainting, beside it: white is painted anew."),
                ADD_TO,
            ],
            outputs=[OUTPUT],
        )

    @classmethod
    def validate_inputs(cls, modality="auto"):
        return choice(modality, MODALITIES, "modality")

    @classmethod
    def execute(cls, model, modality="auto", image=None, mask=None, condition=None) -> io.NodeOutput:
        chosen = find_modality(model, "map", modality)
        painting = chosen.encoding == "inpainting"
        if painting and (image is None or mask is None):
            raise ValueError("Map Condition 'inpainting' needs both an image and a mask, white where it shall be painted anew; connect the two.")
        if not painting and (image is None) == (mask is None):
            raise ValueError(f"Map Condition '{chosen.name}' needs either an image or a mask, and not both; connect one of the two.")
        region = None if mask is None else mask.reshape(-1, 1, *mask.shape[-2:]).float()
        pixels = region if image is None else image[..., :3].movedim(-1, 1).float()
        if not all(torch.isfinite(p).all() for p in (pixels, region) if p is not None):
            raise ValueError(f"The picture for Map Condition '{chosen.name}' holds NaN or infinite values; connect another one.")
        return io.NodeOutput(add(_encode(chosen, pixels, region), condition))


def _encode(modality, pixels, region):
    """{input of the network: map in [-1, 1]}. pixels: [B, 1 or 3, H, W], region: [B, 1, H, W], both in [0, 1]."""
    if modality.encoding in ("binary", "edges"):
        from ..mcdm.conditions.maps import binary, edges, fit  # as in training, to the pixel
        channels, height, width = modality.null.shape[1:]
        on = edges(fit(pixels, height, width)) if modality.encoding == "edges" else binary(pixels, height, width)
        return {modality.key: (2 * on - 1).expand(-1, channels, -1, -1)}
    encoded = {modality.key: 2 * pixels.clamp(0, 1).expand(-1, 3, -1, -1) - 1}
    if modality.encoding == "inpainting":
        region = comfy.utils.common_upscale(region, pixels.shape[-1], pixels.shape[-2], "area", "disabled")
        encoded["inpaint_mask"] = (region < 0.5).float()            # of what is known
    return encoded
