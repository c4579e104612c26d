"""Puts the example pictures where LoadImage finds them: input/mcdm_NAME.png, as newer hosts list no subfolder."""
import logging
import os
import shutil
from pathlib import Path

import folder_paths

logger = logging.getLogger("mcdm")

SOURCE = Path(__file__).resolve().parents[2] / "example_workflows" / "inputs"


def copy_example_pictures() -> None:
    """Copies those that are missing; a read-only input folder must not keep the pack from loading.

    Workflows of older versions of the pack name mcdm/NAME.png.
    """
    target = folder_paths.get_input_directory()
    try:
        os.makedirs(os.path.join(target, "mcdm"), exist_ok=True)
        for picture in sorted(SOURCE.iterdir()):
            for copy in (f"mcdm_{picture.name}", os.path.join("mcdm", picture.name)):
                path = os.path.join(target, copy)
                if not os.path.exists(path):
                    shutil.copyfile(picture, path)
    except OSError as error:
        logger.warning(f"MCDM: the example pictures could not be copied to {target}: {error}")
