"""Unite and Conquer (MCDM) for ComfyUI: several diffusion networks, each with its own condition, united in every denoising step."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes import UniteAndConquer
    return UniteAndConquer()
