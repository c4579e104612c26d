"""A mixture's numbers by choosing pictures: generation after generation around the good ones."""
from __future__ import annotations

import re
from typing import Any

from comfy_api.latest import io

from ..mcdm.grids.breeding import generation_grid
from ..mcdm.mixture import Mixture
from ..mcdm.search_space import VARY
from ..mcdm.search_state import MOST, Settings, begun_or_resumed
from .checks import CheckedCombo, LowerBound, check_choice, check_number, first_objection, require
from .common import ADVANCED, CATEGORY, MixtureWire, search_aliases
from .grid import CELLS, HIDDEN, OUTPUTS, VAE, grid_output
from .sampler_inputs import check_sampler, sampler_inputs

NONE = "none"           # picks: no candidate is good


class BreedMixture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="BreedMixture", display_name="Breed a Mixture", category=CATEGORY, is_output_node=True,
            **search_aliases("evolution", "interactive", "search weights", "tune"),
            description="Finds a mixture's numbers by your eye. It draws candidates around the present weights and "
                        "shares, the present ones first, all from one noise; you pick the good ones and queue again, "
                        "and the next generation comes from these.",
            inputs=[
                *sampler_inputs(),
                io.Int.Input("candidates", optional=True, default=6, min=2, max=MOST,
                             tooltip="How many pictures a generation has. Read at the beginning; then the state has "
                                     "it."),
                io.Int.Input("generations", optional=True, default=10, min=1, max=1000,
                             tooltip="How many generations you mean to look at; the sheet counts them."),
                *search_inputs(),
                io.String.Input("picks", optional=True, default="",
                                tooltip="The numbers of the good candidates, the best first, such as 3 1; none if no "
                                        "one is good. A click on a picture writes them. Empty = the same generation "
                                        "again."),
                io.String.Input("state", optional=True, default="", multiline=True,
                                tooltip="What has been picked so far, written by the node: copy it to go on elsewhere. "
                                        "Empty = begin with the mixture as it is."),
                VAE,
            ],
            outputs=[
                *OUTPUTS,
                MixtureWire.Output(display_name="mixture", tooltip="The best so far: the first candidate."),
                io.String.Output(display_name="state", tooltip="The state, with these picks."),
                *CELLS,
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
        candidates: int = 6,
        generations: int = 10,
        spread: float = 0.5,
        vary: str = VARY[0],
        windows: bool = False,
        picks: str = "",
        state: str = "",
        vae: Any = None,
    ) -> io.NodeOutput:
        require(first_objection(check_sampler(sampler_name, scheduler), check_choice(vary, VARY, "vary"),
                                check_spread(spread)))
        search = begun_or_resumed(mixture, Settings(seed, candidates, float(spread), vary, windows), state)
        if picks.strip():
            search.tell(parse_picks(picks))
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        drawn = grid_output(cls, "breed", generation_grid(search, generations), run, vae, clip_denoised, shared={})
        shown = drawn.ui if isinstance(drawn.ui, dict) else drawn.ui.as_dict()
        told = {"breed": (search.text(),)}
        *pictures, cells = drawn.args
        return io.NodeOutput(*pictures, search.best.mixture, search.text(), cells, ui=shown | told)


def search_inputs() -> list[io.Input]:
    """What every search of a mixture's numbers begins with."""
    return [
        io.Float.Input("spread", optional=True, default=0.5, min=LowerBound(0.01), max=5.0, step=0.05, round=False,
                       tooltip="How far candidates lie apart at first: 0.5 changes a weight by a factor of about 1.6 "
                               "either way. Read at the beginning; then it changes by itself."),
        CheckedCombo("vary", **ADVANCED, options=list(VARY), default=VARY[0],
                     tooltip="Which numbers are searched. Read at the beginning."),
        io.Boolean.Input("windows", **ADVANCED, default=False,
                         tooltip="Also searches when each expert begins and ends. Read at the beginning."),
    ]


def check_spread(spread: float | None) -> bool | str:
    """True, or a sentence for the user."""
    return check_number(spread, 0.01, 5.0, "spread")


def parse_picks(text: str) -> tuple[int, ...]:
    """The numbers of the good candidates, the best first; () for none. Raises ValueError for anything else."""
    words = re.findall(r"[^\s,]+", text)
    if [word.lower() for word in words] == [NONE]:
        return ()
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise ValueError(f"picks '{text}' should be the numbers of the good candidates, the best first, such as 3 1, "
                         "or none.")
    return tuple(int(word) for word in words)
