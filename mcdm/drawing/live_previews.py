"""What each expert alone thinks the picture is during sampling, sent over the host's websocket."""
from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image
from server import PromptServer

from ..fusion import Coefficient
from ..mixture import Mixture
from ..observation import Observation
from .latent_colours import previewer

EVENT = "mcdm.previews"
SHARE = 0.02        # of the time that a run may spend here; the rest of 3 % is for the host's thread that sends
FIRST = 0.005       # seconds that the first preview is taken to cost
SIZE = 128          # longer side of a picture, in pixels


def contribution_shares(observation: Observation, count: int) -> list[float] | None:
    """How much of the movement each of `count` experts makes, for the first picture of the batch.

    That is |w_i m_i (D_i - D_0)| over the sum of all. If D_0 was not needed, the fused estimate takes its place:
    nothing is evaluated for this. An expert that was not asked has 0; if no expert moves anything, those that were
    asked share equally. None if an estimate is not finite.
    """
    origin = (observation.fused if observation.null is None else observation.null)[:1].float()
    norms = {i: _size(weight, denoised, origin) for i, (weight, denoised) in observation.contributions.items()}
    sizes = torch.stack(list(norms.values())).tolist() if norms else []
    total = sum(sizes)
    if not math.isfinite(total):
        return None
    shares = [0.0] * count
    for i, size in zip(norms, sizes, strict=True):
        shares[i] = size / total if total else 1.0 / len(sizes)
    return shares


def _size(weight: Coefficient, denoised: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """The norm of weight * (denoised - origin) for the first picture; `origin` has only that one."""
    if isinstance(weight, torch.Tensor):
        weight = weight[:1]
    return torch.linalg.vector_norm(weight * (denoised[:1].float() - origin))


class Previews:
    """An observer that from time to time sends what each expert alone thinks, and how much it pulls.

    It keeps the newest observation, and no older one.

    names: of the experts.
    space: the host's latent format, for its linear map to colours; without a map there are no pictures. Its decoder
    networks would cost too much, once per expert.
    send(experts): gets [{"name", "pull" 0 to 1, "image" data URL or None}].
    watched(): whether anyone is watching.
    clock: seconds. Enough time passes between two previews that this one, the next and the last one together stay below
    SHARE of it.
    masked: a picture is dark where its expert does not act.
    """

    def __init__(
        self,
        names: Sequence[str],
        space: Any,
        send: Callable[[list[dict[str, Any]]], object],
        watched: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.perf_counter,
        masked: bool = False,
    ) -> None:
        self.names = names
        self.tell = send
        self.watched = watched
        self.clock = clock
        self.masked = masked
        self.previewer = previewer(space)
        self.began: float | None = None     # when the first observation came
        self.spent = 0.0                    # seconds on all previews so far
        self.cost = FIRST                   # seconds of the last one
        self.newest: Observation | None = None

    def __call__(self, observation: Observation) -> None:
        if not self.watched():
            self.newest = None
            return
        self.newest = observation
        now = self.clock()
        if self.began is None:
            self.began = now
        if SHARE * (now - self.began) >= self.spent + 2.0 * self.cost:
            self.show()

    def show(self) -> None:
        """Sends the newest observation, if it has not been sent."""
        if self.newest is None:
            return
        observation, self.newest = self.newest, None
        observation.fused.flatten()[0].item()       # waits for the evaluation itself, which is not a cost of previews
        start = self.clock()
        shares = contribution_shares(observation, len(self.names))
        if shares is not None:
            masks = observation.coefficients.masks if self.masked and observation.coefficients else ()
            pictures = [self._picture(observation.denoised.get(i), masks[i] if masks else 1.0)
                        for i in range(len(shares))]
            self.tell([{"name": name, "pull": round(share, 4), "image": picture}
                       for name, share, picture in zip(self.names, shares, pictures, strict=True)])
        self.cost = self.clock() - start
        self.spent += self.cost

    def _picture(self, denoised: torch.Tensor | None, mask: Coefficient) -> str | None:
        """The first picture (for video, its first frame) as a data URL, dark where the mask is 0."""
        if denoised is None or not self.previewer:
            return None
        picture = self.previewer.decode_latent_to_preview(denoised)
        return data_url(picture if isinstance(mask, float) else dimmed(picture, mask))


def dimmed(picture: Image.Image, mask: torch.Tensor) -> Image.Image:
    """A picture that is dark where the first one of masks [B, 1, (T,) H, W] is 0."""
    shown = mask[0].reshape(-1, *mask.shape[-2:])[0].float().clamp(0, 1)
    light = Image.fromarray((64 + 191 * shown).byte().cpu().numpy()).resize(picture.size)
    return Image.composite(picture, Image.new("RGB", picture.size), light)


def data_url(image: Image.Image) -> str:
    """A small JPEG of a picture, which is shrunk in place."""
    image.thumbnail((SIZE, SIZE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return "data:image/jpeg,%" + file.getvalue().hex("%")


def observer(mixture: Mixture) -> Previews | None:
    """Previews of a run of a mixture, for the page that queued it.

    None if no page did, as in a script: then nothing is done.
    """
    context, host = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or host is None or host.client_id is None:
        return None
    client = host.client_id
    node = get_progress_state().dynprompt.get_display_node_id(context.node_id)

    def send(experts: list[dict[str, Any]]) -> None:
        host.send_sync(EVENT, {"node": node, "prompt_id": context.prompt_id, "experts": experts}, client)

    def watched() -> bool:
        return client in host.sockets
    names = [e.name for e in mixture.experts]
    space = mixture.experts[0].model.get_model_object("latent_format")
    return Previews(names, space, send, watched, masked=mixture.divided)
