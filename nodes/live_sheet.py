"""A sheet in its node on the page while it grows, with the cell that is being sampled."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io, ui
from comfy_execution.utils import get_executing_context

from ..mcdm.drawing import sheets
from ..mcdm.drawing.previews import previewer
from ..mcdm.host.models import cells, is_pixel, latent_format

EVENT = "mcdm.sheet"        # web/js/sheets.js hands it on as the host's own `executed`
PAUSE = 1.0                 # seconds between two sheets, at least
SHARE = 0.05                # of the time, at most, for sheets

Decode = Callable[[torch.Tensor], torch.Tensor]


class Growing:
    """Shows sheets as pictures of the node, like the finished one, where a page has queued the run and looks.

    The host's own previews would stay in the node beside or instead of the finished sheet.
    """

    def __init__(self, node: type[io.ComfyNode], page: Callable[[], torch.Tensor]) -> None:
        from comfy_execution.progress import get_progress_state
        from server import PromptServer
        self._node, self._page, self._next = node, page, 0.0
        self._context = get_executing_context()
        self._host: Any = getattr(PromptServer, "instance", None)
        self._client = self._host.client_id if self._context and self._host else None
        if self._client is not None:
            self._id = get_progress_state().dynprompt.get_display_node_id(self._context.node_id)

    @property
    def due(self) -> bool:
        """Whether somebody looks, and the last sheet is long enough ago."""
        return self._client is not None and time.monotonic() >= self._next and self._client in self._host.sockets

    def show(self) -> None:
        """Sends the sheet as it is."""
        start = time.monotonic()
        output = ui.PreviewImage(self._page(), cls=self._node).as_dict()
        event = {"node": self._id, "display_node": self._id, "output": output, "prompt_id": self._context.prompt_id}
        self._host.send_sync(EVENT, event, self._client)
        now = time.monotonic()
        self._next = now + max(PAUSE, (now - start) / SHARE)


def estimator(model: Any, decode: Decode) -> Decode | None:
    """From a denoised estimate in the middle of a run to its first picture [1, H, W, 3]; None where that costs much."""
    space = latent_format(model)
    if is_pixel(model):
        return lambda x0: decode(x0[:1].float())
    colours = previewer(space)
    if colours is None:
        return None
    size = cells(space)

    def enlarged(x0: torch.Tensor) -> torch.Tensor:
        picture = sheets.image(colours.decode_latent_to_preview(x0))
        return picture.repeat_interleave(size, 1).repeat_interleave(size, 2)
    return enlarged
