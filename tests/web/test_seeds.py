"""What happens to the seed of a new node after a run."""
from __future__ import annotations

import pytest

CONTROL = """node => node.widgets.find(widget => widget.name === "control_after_generate").value"""
NEW = f"""type => {{
    const node = LiteGraph.createNode(type);
    app.graph.add(node);
    return [node.id, ({CONTROL})(node)];
}}"""
LOADED = f"""([id, value]) => {{
    app.graph.getNodeById(id).widgets.find(widget => widget.name === "control_after_generate").value = value;
    const saved = JSON.parse(JSON.stringify(app.graph.serialize()));
    return app.loadGraphData(saved).then(() => ({CONTROL})(app.graph.getNodeById(id)));
}}"""


@pytest.mark.parametrize("kind", ["BreedMixture", "CompareExperts", "MixtureReport", "ReliabilitySweep", "TuneMixture"])
def test_nodes_that_compare_keep_their_seed(page, kind):
    number, control = page.page.evaluate(NEW, kind)
    assert control == "fixed"
    assert page.page.evaluate(LOADED, [number, "increment"]) == "increment", "a file keeps its own"
    _, sampler = page.page.evaluate(NEW, "MCDMSampler")
    assert sampler == "randomize", "as the host has it"
