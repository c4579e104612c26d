"""What each expert alone thinks of the picture while it is sampled, over the host's websocket."""
import base64
import io
import math
import time

import latent_preview
import torch
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from server import PromptServer

EVENT = "mcdm.previews"
SHARE = 0.02        # of the time that a run may spend here; what is left of 3 % is for the host's thread that sends
FIRST = 0.005       # seconds that the first preview is taken to cost
SIZE = 128          # longer side of a picture, in pixels


def pulls(observation, count):
    """How much of the movement each of `count` experts makes: |w_i m_i (D_i - D_0)| over the sum of all, for the first picture of the batch.

    Where D_0 was not needed the fused estimate stands for it: nothing is evaluated for this. An expert that was not asked has 0; where nobody
    moves anything, those that were asked share alike. None where an estimate is not finite.
    """
    origin = (observation.fused if observation.null is None else observation.null)[:1].float()
    norms = [torch.linalg.vector_norm((w[:1] if isinstance(w, torch.Tensor) else w) * (d[:1].float() - origin)) for w, d in observation.contributions.values()]
    norms = torch.stack(norms).tolist() if norms else []
    total = sum(norms)
    if not math.isfinite(total):
        return None
    shares = dict(zip(observation.contributions, [n / total if total else 1.0 / len(norms) for n in norms], strict=True))
    return [shares.get(i, 0.0) for i in range(count)]


def previewer(space):
    """The host's linear map of a latent format to colours, None where it has none."""
    return space.latent_rgb_factors and latent_preview.Latent2RGBPreviewer(
        space.latent_rgb_factors, space.latent_rgb_factors_bias, space.latent_rgb_factors_reshape)


class Previews:
    """An observer that now and then sends what each expert alone thinks, and how much it pulls. It keeps the newest observation, and no older one.

    names: of the experts. space: the host's latent format, for its linear map to colours (its decoder networks would cost too much N times over; without
    a map there are pulls only). send(experts): gets [{"name", "pull" 0 to 1, "image" data URL or None}]. watched(): whether anybody looks.
    clock: seconds. Between two previews passes so much time that this one, the next and the last one together stay below SHARE of it.
    """

    def __init__(self, names, space, send, watched=lambda: True, clock=time.perf_counter):
        self.names, self.send, self.watched, self.clock = names, send, watched, clock
        self.previewer = previewer(space)
        self.began, self.spent, self.cost = None, 0.0, FIRST
        self.newest = None

    def __call__(self, observation):
        if not self.watched():
            self.newest = None
            return
        self.newest = observation
        now = self.clock()
        self.began = now if self.began is None else self.began
        if SHARE * (now - self.began) >= self.spent + 2.0 * self.cost:
            self.show()

    def show(self):
        """Sends the newest observation, if it has not been sent."""
        if self.newest is None:
            return
        observation, self.newest = self.newest, None
        observation.fused.flatten()[0].item()       # the device has to finish the evaluation itself first; that is no cost of ours
        start = self.clock()
        shares = pulls(observation, len(self.names))
        if shares is not None:
            self.send([{"name": name, "pull": round(share, 4), "image": self._picture(observation.denoised.get(i))}
                       for i, (name, share) in enumerate(zip(self.names, shares, strict=True))])
        self.cost = self.clock() - start
        self.spent += self.cost

    def _picture(self, denoised):
        """A small JPEG of the first picture (for video, of its first frame) as a data URL."""
        if denoised is None or not self.previewer:
            return None
        image = self.previewer.decode_latent_to_preview(denoised)
        image.thumbnail((SIZE, SIZE))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=85)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def observer(fused):
    """Previews of a run of `fused`, a MixtureGuider, for the page that queued it; None where no page did, as in a script: then nothing is done at all."""
    context, host = get_executing_context(), getattr(PromptServer, "instance", None)
    if context is None or host is None or host.client_id is None:
        return None
    client = host.client_id
    node = get_progress_state().dynprompt.get_display_node_id(context.node_id)

    def send(experts):
        host.send_sync(EVENT, {"node": node, "prompt_id": context.prompt_id, "experts": experts}, client)
    return Previews([e.name for e in fused.mixture.experts], fused.model_patcher.get_model_object("latent_format"), send, lambda: client in host.sockets)
