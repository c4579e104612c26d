"""A growing sheet in its node on the page, and what is kept of it if the run fails."""
from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from comfy_api.latest import io, ui
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image
from server import PromptServer

from ..drawing import sheets

logger = logging.getLogger("mcdm")

EVENT = "mcdm.sheet"        # web/js/sheets.js passes it on as the host's own `executed`
PAUSE = 1.0                 # seconds between two sheets, at least
SHARE = 0.05                # of the time, at most, for sheets


class LiveSheet:
    """Shows sheets as pictures of the node, like the finished one, if a page has queued the run and is watching.

    The host's own previews would stay in the node beside or instead of the finished sheet.
    node: whose sheets these are. name: of the kept files, NAME_so_far.
    """

    def __init__(self, node: type[io.ComfyNode], name: str) -> None:
        self._node, self._name = node, name
        self._next = 0.0            # when the next sheet may be shown
        self._context = get_executing_context()
        self._host: Any = getattr(PromptServer, "instance", None)
        self._client = self._host.client_id if self._context and self._host else None
        if self._context is not None and self._host is not None:
            self._id = get_progress_state().dynprompt.get_display_node_id(self._context.node_id)

    @property
    def due(self) -> bool:
        """Whether a page is watching, and the last sheet was long enough ago."""
        return self._client is not None and time.monotonic() >= self._next and self._client in self._host.sockets

    def show(self, draw: Callable[[], Image.Image]) -> None:
        """Sends the sheet as it is drawn now."""
        start = time.monotonic()
        output = ui.PreviewImage(sheets.image(draw()), cls=self._node).as_dict()
        event = {"node": self._id, "display_node": self._id, "output": output, "prompt_id": self._context.prompt_id}
        self._host.send_sync(EVENT, event, self._client)
        now = time.monotonic()
        self._next = now + max(PAUSE, (now - start) / SHARE)

    def keep(self, draw: Callable[[], torch.Tensor], finished: str, more: Mapping[str, Any] = {}) -> None:  # noqa: B006
        """Writes the sheets of a failed run, and shows them in the node. No failure here hides why the run failed.

        draw: gives them as IMAGE. finished: how many pictures there are, in words. more: for the page beside them.
        """
        try:
            kept = f"mcdm/{self._name}_so_far"
            saved = ui.ImageSaveHelper.get_save_images_ui(draw(), kept, cls=self._node).as_dict()
            logger.info(f"MCDM: {finished} pictures were finished; "
                        f"the sheet so far is output/mcdm/{saved['images'][0]['filename']}.")
            self._show_kept(saved | more)
        except Exception as error:
            logger.warning(f"MCDM: the sheet so far could not be saved: {error}")

    def _show_kept(self, output: dict[str, Any]) -> None:
        """Like the host's own message for a finished node, if a page has queued it."""
        if self._context is None or self._host is None:
            return
        node, prompt = self._context.node_id, self._context.prompt_id
        shown = {"node": node, "display_node": self._id, "output": output, "prompt_id": prompt}
        self._host.send_sync("executed", shown, self._host.client_id)
