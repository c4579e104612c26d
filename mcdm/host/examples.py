"""The example pictures go where LoadImage finds them: input/mcdm/."""
import logging
import os
import shutil

import folder_paths

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "example_workflows", "inputs")


def copy_example_pictures():
    """Copies those that are missing; a read-only input folder is no reason not to load the pack."""
    target = os.path.join(folder_paths.get_input_directory(), "mcdm")
    try:
        os.makedirs(target, exist_ok=True)
        for name in sorted(os.listdir(SOURCE)):
            if not os.path.exists(os.path.join(target, name)):
                shutil.copyfile(os.path.join(SOURCE, name), os.path.join(target, name))
    except OSError as error:
        logging.warning(f"MCDM: the example pictures could not be copied to {target}: {error}")
