"""A custom node of the test host, which no worker has: a MODEL handed on, and loops as newer hosts unroll them."""
from comfy_execution.graph_utils import GraphBuilder


class OnlyHere:
    FUNCTION, CATEGORY, RETURN_TYPES = "same", "test", ("MODEL",)
    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",)}})

    def same(self, model):
        return model,


class LoopIteration:        # of newer hosts
    FUNCTION, CATEGORY, RETURN_TYPES = "handed_on", "test", ("INT", "BOOLEAN", "BOOLEAN")
    INPUT_TYPES = classmethod(lambda cls: {"required": {
        "iteration_index": ("INT",), "is_first": ("BOOLEAN",), "is_last": ("BOOLEAN",)}})

    def handed_on(self, **values):
        return tuple(values.values())


class Rounds:       # copies a Place Expert and its Condition Expert, as loops do; a round's number is the weight
    FUNCTION, CATEGORY, RETURN_TYPES = "copied", "test", ("MCDM_EXPERT", "MCDM_EXPERT")
    INPUT_TYPES = classmethod(lambda cls: {
        "required": {"expert": ("MCDM_EXPERT", {"lazy": True, "rawLink": True})}, "hidden": {"prompt": "DYNPROMPT"}})

    def copied(self, expert, prompt):
        graph, results = GraphBuilder(), []
        place = prompt.get_node(expert[0])["inputs"]
        made, _ = place["expert"]
        for i in range(2):
            before = {"dependency0": results[-1]} if results else {}
            loop = graph.node("LoopIteration", f"iteration_{i}", iteration_index=i + 1, is_first=i == 0,
                              is_last=i == 1, reuse_cache=False, **before)
            one = graph.node("ConditionExpert", f"{i}_{made}",
                             **prompt.get_node(made)["inputs"] | {"weight": loop.out(0)})
            placed = graph.node("PlaceExpert", f"{i}_{expert[0]}", **place | {"expert": one.out(0)})
            one.set_override_display_id(made)
            placed.set_override_display_id(expert[0])
            results.append(placed.out(0))
        return {"result": tuple(results), "expand": graph.finalize()}


NODE_CLASS_MAPPINGS = {kind.__name__: kind for kind in (OnlyHere, LoopIteration, Rounds)}
