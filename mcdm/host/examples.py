"""The example pictures go where LoadImage finds them: input/mcdm/."""
import logging
import os
import shutil
from pathlib import Path

import folder_paths

logger = logging.getLogger("mcdm")

SOURCE = Path(__file__).resolve().parents[2] / "example_workflows" / "inputs"


def copy_example_pictures() -> None:
    """Copies those that are missing; a read-only input folder must not keep the pack from loading."""
    target = os.path.join(folder_paths.get_input_directory(), "mcdm")
    try:
        os.makedirs(target, exist_ok=True)
        for picture in sorted(SOURCE.iterdir()):
            copy = os.path.join(target, picture.name)
            if not os.path.exists(copy):
                shutil.copyfile(picture, copy)
    except OSError as error:
        logger.warning(f"MCDM: the example pictures could not be copied to {target}: {error}")
