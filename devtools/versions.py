"""What differs between the versions of ComfyUI that the tests run on: each difference once, with its reason.

Everything else is tested alike on all of them. This reads the source of the tree that MCDM_COMFYUI names and imports
nothing of it, because the host must not be imported before a test asks for it.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def source(path: str) -> str:
    """A file of the host's tree."""
    return (Path(os.environ["MCDM_COMFYUI"]) / path).read_text("utf-8")


# Settings of networks without a default, which only newer hosts have: what an older network amounts to.
NEWER: dict[str, Any] = {
    "txt_ids_dims": [], "vec_in_dim": None, "use_x0": False, "use_sequential_txt_ids": False, "meanflow_sum": False,
}


def tells_every_step() -> bool:
    """Whether each step is told by /ws.

    Newer hosts leave out a step without a preview that follows the last one at once; the first and the last are told.
    """
    return "PROGRESS_THROTTLE_MIN_INTERVAL" not in source("comfy/utils.py")


def fits_empty_latents() -> bool:
    """Whether an empty latent for cells of 8 pixels gets the size in cells of the model that samples it.

    Older hosts adapt its channels alone: 512 pixels are 64 cells, and 64 pixels for a network that draws pixels.
    """
    return "downscale_ratio_spacial" in source("comfy/sample.py")


# ------------------------------------------------------------------------------------------------------------ the page

# Selectors, of the older page (frontend 1.32) and the newer ones (1.49, 1.58): of a page each finds what it has.
# What went wrong is told by toasts, dialogs, and on newer pages by one overlay.
TOAST = ".p-toast-message, [data-testid=toast]"
COMPLAINTS = f".p-dialog, {TOAST}, [data-testid=error-overlay]"
# The library of nodes was rewritten, and its button after that. Its leaves show a node each.
LIBRARY = ".node-library-tab-button, [data-testid=node-library-tab-button]"
LIBRARY_LEAF = ".side-bar-panel .tree-leaf, .side-bar-panel [role=treeitem]:not([aria-expanded])"
# The first release whose app mode shows what a file chooses for it, as far as this was tried.
APP_MODE = (1, 58)
# So was the search that a double click on the canvas opens.
SEARCH_FIELD = ".comfy-vue-node-search-container input[role=combobox], input[aria-controls=results-list]"
SEARCH_RESULT = ".p-autocomplete-option, #results-list [role=option]"
# The first release whose newer canvas shows labels for the values of a combo, as far as this was tried.
LABELS = (1, 49)


def has_first_page() -> bool:
    """Whether the host's page is that of 0.3.75."""
    return "MCDM_PAGE" not in os.environ and "comfyui-frontend-package==1.32." in source("requirements.txt")


# Milliseconds after which a change is a step of undo for itself, and the page takes the next key for undo: newer pages
# add what changes within 50 to the step before, and lose keys while they draw, which only a test is fast enough for.
UNDO_STEP = 120 if has_first_page() else 300
