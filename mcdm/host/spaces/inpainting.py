"""What a network sees of the part of a picture that a noise mask keeps.

The host's sampler fills it as the lead's network wants it. Most networks want it as noisy as the rest, some clean
(LTX-Video, Cosmos-Predict2). If lead and expert differ, each gets its own.
"""
from __future__ import annotations

import torch

from ..protocols import BaseModel
from .start import Start


def latent_in(model: BaseModel, latent: torch.Tensor) -> torch.Tensor:
    """A latent [B, C, ...] in the numbers of the network; an empty one stays empty, as in the host."""
    return model.process_latent_in(latent) if torch.count_nonzero(latent) > 0 else latent


class Kept:
    """The kept part of one sampling, for one expert. On the lead's device."""

    def __init__(self, model: BaseModel, lead: BaseModel, start: Start) -> None:
        assert start.denoise_mask is not None and start.latent_image is not None
        self._share = 1.0 - start.denoise_mask
        self._asked = [(lead, {"noise": start.noise, "denoise_mask": start.denoise_mask,
                                     "latent_image": latent_in(lead, start.latent_image)})]
        self._asked.append((model, self._asked[0][1] | {"latent_image": latent_in(model, start.latent_image)}))

    def refilled(self, x: torch.Tensor, timestep: torch.Tensor, own_x: torch.Tensor, own_timestep: torch.Tensor,
                 gain: float) -> torch.Tensor:
        """The expert's image `own_x` = gain x, with what the lead's network wants exchanged for what its own wants."""
        places = (x, timestep), (own_x, own_timestep)
        lead, own = (model.scale_latent_inpaint(x=image, sigma=level, **asked)
                     for (model, asked), (image, level) in zip(self._asked, places, strict=True))
        return own_x + (own - gain * lead) * self._share


def kept_part(model: BaseModel, lead: BaseModel, start: Start) -> Kept | None:
    """The part of a picture that a noise mask keeps, if a network wants it in another form than the lead's."""
    same = type(model).scale_latent_inpaint is type(lead).scale_latent_inpaint
    return None if same or start.denoise_mask is None or start.latent_image is None else Kept(model, lead, start)
