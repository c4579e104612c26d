"""A mixture's numbers by a score, in place of the person of Breed a Mixture."""
from __future__ import annotations

import json
import logging
from typing import Any

import torch
from comfy_api.latest import io, ui

from ..mcdm.drawing.search_page import search_page
from ..mcdm.drawing.sheets import image
from ..mcdm.grids.breeding import in_words as numbers_in_words
from ..mcdm.grids.decoding import decoder
from ..mcdm.grids.live_sheet import LiveSheet
from ..mcdm.mixture import Mixture
from ..mcdm.search_space import VARY
from ..mcdm.search_state import MOST, Settings, begun_or_resumed, numbers_of
from ..mcdm.tuning import scores, verdict
from ..mcdm.tuning.features import clip_features, plain_features
from ..mcdm.tuning.search_run import CHECKS, Runs, Tuning
from .breed import check_spread, search_inputs
from .checks import LowerBound, check_choice, first_objection, require
from .common import ADVANCED, CATEGORY, MixtureWire, search_aliases
from .grid import HIDDEN, VAE
from .sampler_inputs import check_sampler, sampler_inputs

logger = logging.getLogger("mcdm")


def _weight(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, optional=True, default=default, min=LowerBound(0.0), max=100.0, step=0.05, round=False,
                          tooltip=tooltip)


class TuneMixture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TuneMixture", display_name="Tune a Mixture", category=CATEGORY, is_output_node=True,
            **search_aliases("optimise", "optimize", "search weights", "breed", "auto"),
            description="Searches a mixture's numbers by a score: nearness to example pictures, agreement with words, "
                        "balance of the conditions, or a weighted sum of these. It says on fresh seeds whether what it "
                        "found is better.",
            inputs=[
                *sampler_inputs(),
                io.Image.Input("examples", optional=True,
                               tooltip="From 1 to 20 pictures to come near to. As many as pictures in the batch: one "
                                       "for each, in order."),
                io.ClipVision.Input("clip_vision", optional=True,
                                    tooltip="Compares pictures with the examples and the words. Without it, examples "
                                            "are compared by outlines and textures."),
                io.Clip.Input("clip", optional=True,
                              tooltip="Reads the words; it has to belong to clip_vision."),
                io.String.Input("words", optional=True, default="", multiline=True,
                                tooltip="What the picture should show, for clip and clip_vision."),
                _weight("like_examples", 1.0, "How much nearness to the examples counts."),
                _weight("like_words", 1.0, "How much agreement with the words counts."),
                _weight("balance", 0.0, "How much it counts that no expert's condition is lost in the picture. Needs "
                                        "no model and no example."),
                io.Int.Input("trials", optional=True, default=60, min=2, max=100000,
                             tooltip="How many candidates are looked at, in whole generations."),
                io.Int.Input("early_steps", **ADVANCED, default=0, min=0, max=10000,
                             tooltip="Steps of the first look at a candidate; the better half is then drawn in full. 0 "
                                     "= half of the steps."),
                io.Int.Input("fresh_seeds", optional=True, default=6, min=0, max=1000,
                             tooltip="On how many other seeds the start and what was found are compared at the end."),
                io.Int.Input("candidates", **ADVANCED, default=6, min=2, max=MOST,
                             tooltip="How many pictures a generation has. Read at the beginning; then the state has "
                                     "it."),
                *search_inputs(),
                io.String.Input("state", optional=True, default="", multiline=True,
                                tooltip="A search to go on with: what this node gave as its state, or left in the "
                                        "field when it was stopped. Empty = begin with the mixture as it is."),
                VAE,
            ],
            outputs=[
                MixtureWire.Output(display_name="mixture", tooltip="The best mixture that was found."),
                io.Image.Output(display_name="images", tooltip="Its pictures."),
                io.Image.Output(display_name="report", tooltip="The course of the search as a picture."),
                io.String.Output(display_name="json", tooltip="The verdict, the numbers, all scores, the cost."),
                io.String.Output(display_name="state", tooltip="To go on with more trials."),
            ],
            hidden=HIDDEN,
        )

    @classmethod
    def validate_inputs(cls, spread: float = 0.5) -> bool | str:
        return check_spread(spread)

    @classmethod
    def execute(
        cls,
        mixture: Mixture,
        seed: int,
        steps: int,
        sampler_name: str,
        scheduler: str,
        denoise: float = 1.0,
        latent_image: Any = None,
        clip_denoised: bool = False,
        examples: torch.Tensor | None = None,
        clip_vision: Any = None,
        clip: Any = None,
        words: str = "",
        like_examples: float = 1.0,
        like_words: float = 1.0,
        balance: float = 0.0,
        trials: int = 60,
        early_steps: int = 0,
        fresh_seeds: int = 6,
        candidates: int = 6,
        spread: float = 0.5,
        vary: str = VARY[0],
        windows: bool = False,
        state: str = "",
        vae: Any = None,
    ) -> io.NodeOutput:
        require(first_objection(check_sampler(sampler_name, scheduler), check_choice(vary, VARY, "vary"),
                                check_spread(spread)))
        search = begun_or_resumed(mixture, Settings(seed, candidates, float(spread), vary, windows), state)
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        runs = Runs(run, decoder(mixture.experts[0].model, vae), clip_denoised)
        early = min(early_steps or max(1, steps // 2), steps)
        runs.foresee(steps * (2 + 2 * CHECKS + 2 * fresh_seeds) + trials * early + trials * steps // 2)
        parts: dict[str, tuple[float, scores.Part]] = {}
        features = clip_features(clip_vision) if clip_vision is not None else plain_features
        if examples is not None and like_examples:
            parts["examples"] = (like_examples, scores.nearness(examples, features))
        if words.strip() and like_words:
            if clip is None or clip_vision is None:
                raise ValueError("The score words needs clip and clip_vision; connect both, or empty the field words.")
            parts["words"] = (like_words, scores.agreement(words, clip, features))
        if balance:
            alone = [runs.draw(mixture.alone(i), seed, steps).latent for i in range(len(mixture.experts))]
            parts["balance"] = (balance, scores.balance(mixture, alone))
        told = _Told(cls)
        tuning = Tuning(search, runs, scores.Score(parts), early, told)
        try:
            tuning.run(trials)
            tuning.choose()
            return cls._finished(tuning, fresh_seeds)
        except BaseException:       # an interrupt may be one
            told.keep(tuning, trials)
            raise

    @classmethod
    def _finished(cls, tuning: Tuning, fresh_seeds: int) -> io.NodeOutput:
        search = tuning.search
        best = tuning.found.mixture
        assert best is not None and tuning.best is not None
        fresh = tuning.on_fresh_seeds(fresh_seeds)
        told = verdict.in_words(fresh, best is not search.start, tuning.constant, tuning.unscored)
        logger.info(f"MCDM: {told} {tuning.spent} candidates, {tuning.runs.forwards} forwards.")
        page = image(_page(tuning, told))
        report = {
            "verdict": told,
            "fresh seeds": fresh._asdict() if fresh else None,
            "start": numbers_of(search.start),
            "found": numbers_of(best),
            "candidates": tuning.spent,
            "finalists": tuning.finalists,
            "forwards": tuning.runs.forwards,
            "bad": tuning.bad,
            "scores": [trial.score if trial.score > float("-inf") else None for trial in tuning.trials],
        }
        shown = ui.PreviewImage(page, cls=cls).as_dict() | {"text": (told,)}
        return io.NodeOutput(best, tuning.best.pictures, page, json.dumps(report, indent=1), search.text(), ui=shown)


class _Told:
    """Shows the search so far after every generation. What a stopped one has is kept: its page, and its state."""

    def __init__(self, node: type[io.ComfyNode]) -> None:
        self._live = LiveSheet(node, "tune")

    def __call__(self, tuning: Tuning) -> None:
        if self._live.due:
            self._live.show(lambda: _page(tuning, "searching ..."))

    def keep(self, tuning: Tuning, trials: int) -> None:
        """What a search that was stopped has so far."""
        if tuning.best is not None:
            state = tuning.search.text()
            logger.info(f"MCDM: to go on with this search, give Tune a Mixture this state: {state}")
            self._live.keep(lambda: image(_page(tuning, "stopped")), f"{tuning.spent} of {trials}", {"breed": (state,)})


def _page(tuning: Tuning, sentence: str) -> Any:
    best = tuning.found.mixture
    assert best is not None
    title = f"{tuning.spent} candidates, best score {tuning.best_score:.4g}: {numbers_in_words(best)}"
    picture = None if tuning.best is None else tuning.best.pictures[0]
    return search_page([trial.score for trial in tuning.trials], title, sentence, picture)
