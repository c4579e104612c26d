"""What the benchmarks of breeding and tuning search: two mixtures of embedded experts, and what the judges say of them.

Faces begin with weights 1 and equal reliabilities, scenes with weights 5 and reliabilities 1, 0. Tuning conditions and
those of the test have nothing in common.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..devtools.inprocess import InProcess
from ..devtools.portraits import SAMPLER, SCHEDULER, bags, face_condition
from ..training.datasets import faces, scenes
from ..training.judges import faces as parser
from ..training.judges import scenes as judge
from ..training.judges.portraits import held_out, score
from ..training.pixels import to_tensor
from .paper.measures import probabilities
from .paper.pairs import asked_scenes

TUNED = 24              # conditions, by which is searched
TESTED = 64             # others, by which is measured
STEPS = 6               # of a search
TEST_STEPS = 12         # whose figures are those of 24
TUNING_SEED, TEST_SEED = 5, 77

SAID = "hair", "skin", "background", "shirt", "glasses", "beard", "smile"     # of a face, by words

Judge = Callable[[torch.Tensor], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Task:
    """A mixture as it begins, a row of the batch for each condition, and the judge of its pictures.

    ideal: drawings that follow the conditions, [N, 3, 64, 64] in [-1, 1]. quality: the judge's figures in one number,
    by which a person would rank.
    """
    name: str
    mixture: Any
    count: int
    judge: Judge
    quality: Callable[[dict[str, float]], float]
    ideal: torch.Tensor


class Drawer:
    """Draws mixtures, and counts what it cost: forwards of one picture by one network."""

    def __init__(self, comfy: InProcess) -> None:
        from comfy import utils as host
        host.set_progress_bar_enabled(False)
        self.comfy = comfy
        self.guider = comfy.module("mcdm.host.sampling.guider").MixtureGuider
        self.sample = comfy.module("mcdm.host.sampling.ksampler").sample_mixture
        self.watch = comfy.module("mcdm.host.sampling.watch").Watch
        self._shared: dict[Any, dict[Any, Any]] = {}

    @torch.inference_mode()
    def draw(self, mixture: Any, count: int, seed: int, steps: int = STEPS) -> torch.Tensor:
        """Pictures [N, 3, 64, 64] in [-1, 1]. Mixtures of one noise share the answers at the first step."""
        shared = self._shared.setdefault((id(mixture.experts[0].condition), seed), {})
        latent, = self.comfy.call("EmptyExpertLatent", mixture=mixture, width=64, height=64, batch_size=count)
        guider = self.guider(mixture, False, self.watch(shared=shared))
        _, found = self.sample(guider, seed=seed, steps=steps, sampler_name=SAMPLER, scheduler=SCHEDULER, denoise=1.0,
                               latent_image=latent, callback=_silent)
        return found["samples"].clamp(-1, 1)


def _silent(*_: Any) -> None:
    """Instead of a bar and a preview."""


def united(comfy: InProcess, experts: Sequence[tuple[str, Any, Any, float]], numbers: str) -> Any:
    """The mixture of (name, model, condition, weight), with reliabilities."""
    wires = {}
    for slot, (name, model, condition, weight) in enumerate(experts, start=1):
        wires[f"expert_{slot}"], = comfy.call("ConditionExpert", model=model, condition=condition, weight=weight,
                                              name=name)
    return comfy.call("ReliabilityMixer", **wires, reliabilities=numbers)[0]


def with_numbers(comfy: InProcess, task: Task, numbers: dict[str, Any]) -> Any:
    """A task's mixture with other weights and shares, as the files of the benchmarks have them."""
    space = comfy.module("mcdm.search_space")
    return space.SearchSpace(task.mixture).mixture(space.Numbers(tuple(numbers["weights"]), tuple(numbers["shares"])))


def faces_task(comfy: InProcess, count: int, seed: int) -> Task:
    """Hair map, skin map and words. count: conditions."""
    conditions = held_out(count, seed)
    rows = torch.arange(count)
    experts = []
    for name in ("hair", "skin", "text"):
        model, = comfy.call("LoadExpert", expert=f"builtin/faces_{name}.safetensors")
        experts.append((name, model, face_condition(comfy, model, name, conditions, rows), 1.0))
    net = parser.load_parser(parser.FILE)

    def judged(pictures: torch.Tensor) -> dict[str, float]:
        found = score(net, conditions, pictures)
        return {"words": found["attributes"], "hair": found["hair IoU"], "skin": found["skin IoU"]}
    return Task("faces", united(comfy, experts, ""), count, judged, face_quality, composed(count, seed))


def face_quality(figures: dict[str, float]) -> float:
    """Words that are missing are seen first."""
    return (2.0 * figures["words"] + figures["hair"] + figures["skin"]) / 4.0


def composed(count: int, seed: int) -> torch.Tensor:
    """Drawings with the shapes of the mapped drawings and the words of the others, as `held_out` draws both."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    drawn = 0
    while len(found) < count:
        shape = faces.random_face(rng, faces.STYLES[drawn % len(faces.STYLES)])
        if shape.hairstyle == "bald":
            continue
        said = faces.random_face(rng, "poster")
        words = {name: getattr(said, name) for name in SAID}
        found.append(faces.draw(dataclasses.replace(shape, style="poster", **words))[0])
        drawn += 1
    return to_tensor(np.stack(found))


def scenes_task(comfy: InProcess, count: int, seed: int) -> Task:
    """An object by its class and a scene in words."""
    rng = np.random.default_rng(seed)
    asked, places = asked_scenes(rng, count)
    conditioning = comfy.module("mcdm.experts.modality").conditioning
    models = [comfy.call("LoadExpert", expert=f"builtin/scenes_{name}.safetensors")[0] for name in ("class", "text")]
    objects = torch.eye(len(scenes.OBJECTS))[[scenes.OBJECTS.index(item) for item, _ in asked]]
    said = bags(comfy, models[1], [f"a {item}, {place}" for (item, _), place in zip(asked, places, strict=True)])
    experts = [("class", models[0], conditioning({"labels": objects}), 5.0),
               ("scene", models[1], conditioning({"labels": said}), 5.0)]
    net = judge.load_judge(judge.FILE)
    wanted = torch.tensor([[judge.OBJECTS.index(item), judge.SCENES.index(scene)] for item, scene in asked])

    def judged(pictures: torch.Tensor) -> dict[str, float]:
        right = torch.stack(judge.name(net, pictures), dim=1) == wanted
        likely = probabilities(net, pictures, wanted)
        return {"both": right.all(1).float().mean().item(), "object": right[:, 0].float().mean().item(),
                "scene": right[:, 1].float().mean().item(), "likely": likely.mean().item()}
    drawn = []
    for item, scene in asked:
        drawn.append(scenes.draw(dataclasses.replace(scenes.random_picture(rng, "together"), item=item, scene=scene)))
    ideal = torch.from_numpy(np.stack(drawn)).movedim(-1, 1) / 127.5 - 1.0
    return Task("scenes", united(comfy, experts, "1, 0"), count, judged, scene_quality, ideal)


def scene_quality(figures: dict[str, float]) -> float:
    """Both right, and as far as that does not tell, how likely the judge takes either."""
    return figures["both"] + 0.2 * figures["likely"]


TASKS = {"faces": faces_task, "scenes": scenes_task}
