"""Questions to a MODEL of the host: its latent space, and the noise levels that it knows."""
import logging

import comfy.latent_formats
import comfy.model_sampling

from ..noise_levels import NoiseLevels


def check_spaces(experts, mixed=False):
    """Raises ValueError unless all experts live in one latent space: the same latent format, not merely as many channels.

    mixed: the user vouches for spaces of other names; only the number of channels is checked then, and the log says so.
    """
    def space(expert):
        return expert.model.get_model_object("latent_format")
    lead, *others = experts
    for expert in others:
        ours, theirs = space(lead), space(expert)
        if type(ours) is type(theirs):
            continue
        names = f"expert '{expert.name}' works in the latent space {type(theirs).__name__}, expert '{lead.name}' in {type(ours).__name__}"
        if not mixed or ours.latent_channels != theirs.latent_channels:
            raise ValueError(f"These cannot be united: {names}. Use experts of one latent space.")
        logging.warning(f"MCDM: {names}; they are united because allow_mixed_latents is on.")


def is_pixel(patcher):
    return isinstance(patcher.get_model_object("latent_format"), comfy.latent_formats.ChromaRadiance)


def noise_levels(patcher):
    """The frame and the trained range of a MODEL. Raises ValueError where it predicts no noise level at all."""
    sampling = patcher.get_model_object("model_sampling")
    if isinstance(sampling, comfy.model_sampling.IMG_TO_IMG):
        raise ValueError(f"{type(patcher.model).__name__} is an image-to-image network without noise levels and cannot be an expert; use another model.")
    return NoiseLevels(isinstance(sampling, comfy.model_sampling.CONST), float(sampling.sigma_min), float(sampling.sigma_max),
                       float(getattr(sampling, "sigma_data", 1.0)))
