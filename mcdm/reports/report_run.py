"""A sampling run observed for a report: who pulls how hard, who agrees with whom, and where they disagree."""
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import latent_preview
import torch

from ..analysis import Recorder, disagreement
from ..drawing.latent_colours import picture_maker
from ..host.experts.devices import where
from ..host.experts.lanes import Clock
from ..host.models import latent_format
from ..host.sampling.guider import MixtureGuider
from ..host.sampling.ksampler import Latent, sample_mixture
from ..host.sampling.watch import Watch
from ..mixture import Mixture
from ..report_data import DisagreementMap, ReportData, ReportedExpert


def sampled_with_report(
    mixture: Mixture,
    settings: Mapping[str, Any],
    clip_denoised: bool = False,
    map_steps: Collection[int] = (),
    sampler: Any = None,
) -> tuple[Latent, ReportData]:
    """Samples as *MCDM Sampler* does, but with every null, and reports on it.

    settings: the sampler's inputs, as `sample` takes them; sampler: a SAMPLER instead of the one they name.
    map_steps: the steps, from 1, at which to show where conditions disagree.
    Raises ValueError if nothing is sampled.
    """
    clock, recorder = Clock(), Recorder(len(mixture.experts))
    guider = MixtureGuider(mixture, clip_denoised, Watch(recorder, all_nulls=True, clock=clock))
    progress = latent_preview.prepare_callback(guider.model_patcher, settings["steps"])
    maps = _MapMaker(recorder, latent_format(guider.model_patcher), masked=mixture.divided)

    def after_step(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
        progress(step, x0, x, total)
        if step + 1 in map_steps:
            maps.add(step + 1)
    latent, _ = sample_mixture(guider, **settings, callback=after_step, sampler=sampler)
    if not recorder.sigmas:
        raise ValueError(f"Nothing was sampled at denoise {settings['denoise']:g}, so there is nothing to report; "
                         "raise it.")
    figures = recorder.figures()
    return latent, ReportData(reported(mixture, clock), mixture.meaning, figures, maps.made, guider.watch.account)


class _MapMaker:
    """Makes maps of what a recorder saw last. space: the host's latent format. masked: with where each expert acts."""

    def __init__(self, recorder: Recorder, space: Any, masked: bool) -> None:
        self.made: list[DisagreementMap] = []
        self._recorder, self._masked = recorder, masked
        self._picture = picture_maker(space)

    def add(self, step: int) -> None:
        """A map of the first picture at a step."""
        seen = self._recorder
        fields = disagreement([field[:1] for field in seen.asked])
        estimate = self._picture(seen.fused) if self._picture else None
        empty = torch.zeros_like(fields.strength[:, None])
        masks = [empty + (mask[:1] if isinstance(mask, torch.Tensor) else mask) for mask in seen.masks]
        self.made.append(DisagreementMap(step, seen.sigmas[-1], fields, estimate, masks if self._masked else []))


def reported(mixture: Mixture, clock: Clock) -> list[ReportedExpert]:
    """The experts of a run. clock: that has timed them."""
    reliabilities, shares = mixture.balance()
    return [
        ReportedExpert(
            expert.name, mixture.slots[i], expert.weight, expert.bands, reliabilities[i], shares[i], where(expert),
            clock.seconds(i),
        )
        for i, expert in enumerate(mixture.experts)
    ]
