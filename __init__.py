"""Unite and Conquer (MCDM) for ComfyUI: several diffusion networks with their own conditions, united in every step."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> object:
    from .mcdm.host.examples import copy_example_pictures
    from .nodes import UniteAndConquer
    from .nodes.prompt_checks import listen
    copy_example_pictures()
    listen()
    return UniteAndConquer()
