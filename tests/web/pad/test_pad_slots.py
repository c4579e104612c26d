"""The slots of the mixer, and the experts behind reroutes, subgraphs and mixtures."""
from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from unite_and_conquer.devtools.pad_page import MIXER, TEXT
from unite_and_conquer.mcdm.parsing import parse_reliabilities

SLOTS = f"{MIXER}.inputs.filter(input => /^expert_/.test(input.name)).map(input => Number(input.name.at(-1)))"
WIRES = """() => app.graph.nodes.filter(node => node.type === "ReliabilityMixer").map(node => node.inputs.flatMap(
    (input, index) => {
        const link = node.graph.getLink(input.link);
        return link ? [[input.name, link.target_slot - index, link.origin_id]] : [];
    }))"""


def shows(page, slots):
    """Waits until the mixer has these slots for experts, and sees that every wire knows where it ends."""
    page.page.wait_for_function(f"slots => String({SLOTS}) === String(slots)", arg=slots)
    assert all(off == 0 for wires in page.page.evaluate(WIRES) for _, off, _ in wires)
    if page.vue:
        names = page.page.locator("[data-node-id='100']").get_by_text(re.compile("^expert_[1-8]$"))
        expect(names).to_have_text([f"expert_{i}" for i in slots])


def test_the_wired_slots_and_the_next_free_one_are_shown(page):
    page.show([0, 1])
    shows(page, [1, 2, 3])
    page.page.evaluate(f"() => app.graph.getNodeById(1).connect(0, {MIXER}, 2)")
    shows(page, [1, 2, 3, 4])
    page.page.evaluate(f"() => app.graph.getNodeById(1).connect(0, {MIXER}, 3)")
    shows(page, [1, 2, 3, 4, 5])
    page.page.evaluate(f"() => {{ {MIXER}.disconnectInput(1); {MIXER}.disconnectInput(3) }}")
    shows(page, [1, 2, 3])
    page.show([0, None, None, None, None, None, 6])
    shows(page, [1, 2, 3, 4, 5, 6, 7])                      # a wire to a high slot keeps it
    page.show(range(8))
    shows(page, [1, 2, 3, 4, 5, 6, 7, 8])
    page.show([])
    shows(page, [1])


def test_a_mixer_has_its_height_when_it_is_loaded_again(page):
    """Also where it comes behind its experts in the file, as it does once it was clicked."""
    for more in (0,) if page.vue else (0, 40):              # what a user gave it; the newer canvas takes what it wants
        page.show([0, 1])
        height = page.page.evaluate(f"""more => {{
            const mixer = {MIXER};
            mixer.setSize([mixer.size[0], mixer.size[1] + more]);
            return mixer.size[1];
        }}""", more)
        saved = json.loads(page.page.evaluate("() => JSON.stringify(app.graph.serialize())"))
        saved["nodes"].sort(key=lambda node: node["type"] == "ReliabilityMixer")
        page.load(saved)
        assert page.page.evaluate(f"() => {MIXER}.size[1]") == pytest.approx(height, abs=1)


def test_wires_stay_through_saving_copying_undo_and_subgraphs(page):
    page.show([0, 1, 2], "1, 1, 2")
    page.page.evaluate(f"""() => {{
        const text = LiteGraph.createNode("PrimitiveString"), mixer = {MIXER};
        const inner = LiteGraph.createNode("ReliabilityMixer");
        app.graph.add(text);
        app.graph.add(inner);
        app.graph.getNodeById(1).connect(0, inner, 0);
        text.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "reliabilities"));
        inner.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "mixture"));
        app.graph.getNodeById(3).connect(0, mixer, 3);
    }}""")
    shows(page, [1, 2, 3, 4, 5])
    page.capture()
    prompt = page.prompt()
    wired = prompt["100"]["inputs"]
    experts = [wired[f"expert_{i}"][0] for i in (1, 2, 3, 4)]
    assert (experts, wired["mixture"][0] in prompt) == (["1", "2", "3", "3"], True)
    saved = page.page.evaluate("() => JSON.stringify(app.graph.serialize())")
    page.load(json.loads(saved))
    shows(page, [1, 2, 3, 4, 5])
    assert page.prompt() == prompt
    page.page.evaluate(f"() => {{ {MIXER}.disconnectInput(3) }}")
    shows(page, [1, 2, 3, 4])
    page.capture()
    page.page.mouse.click(900, 700)
    page.page.keyboard.press("Control+z", delay=100)
    shows(page, [1, 2, 3, 4, 5])
    assert page.prompt() == prompt
    before = page.page.evaluate(WIRES)
    page.page.evaluate("""() => {
        app.canvas.selectItems(app.graph.nodes);
        app.canvas.copyToClipboard();
        app.canvas.pasteFromClipboard();
    }""")
    page.page.wait_for_function("() => document.querySelectorAll('.mcdm-pad').length === 4")
    wires = page.page.evaluate(WIRES)
    assert [[wire[:2] for wire in each] for each in wires] == [[wire[:2] for wire in each] for each in before * 2]
    page.load(json.loads(saved))
    page.page.evaluate(f"""() => {{
        app.graph.convertToSubgraph(new Set([{MIXER}, app.graph.nodes.find(node => node.type === "PrimitiveString")]));
    }}""")
    inside, = (call for call in page.prompt().values() if "mixture" in call["inputs"])
    assert [inside["inputs"][f"expert_{i}"][0] for i in (1, 2, 3, 4)] == experts


def test_a_mixture_is_one_part(page):
    """In the numbers' order the last; with the empty text it counts as many times as it has experts."""
    page.show([0], weights=[2, 3, 4])
    page.page.evaluate(f"""() => {{
        const inner = LiteGraph.createNode("ReliabilityMixer"), mixer = {MIXER};
        app.graph.add(inner);
        for (const number of [2, 3]) {{
            const expert = LiteGraph.createNode("ConditionExpert");
            app.graph.add(expert);
            expert.widgets.find(widget => widget.name === "weight").value = number;
            expert.connect(0, inner, inner.inputs.findIndex(input => input.link == null));
        }}
        inner.connect(0, mixer, mixer.inputs.findIndex(input => input.name === "mixture"));
    }}""")
    slider = page.pad.first.get_by_role("slider", name="Crossfader from hair to mixture of 2")
    assert slider.get_attribute("aria-valuetext") == "hair 33.3 %, mixture of 2 66.7 %"
    page.pad.first.locator(".mcdm-pad-foot").get_by_text("shares 0, 1", exact=True).wait_for()      # 2 - 6 / 3
    slider.press("Home")
    assert page.text == "1, 0"
    page.page.evaluate(f"() => {{ {TEXT}.value = '0.2, 7, 0.8' }}")
    assert slider.get_attribute("aria-valuetext") == "hair 20 %, mixture of 2 80 %"
    page.page.evaluate(f"() => {{ {TEXT}.value = '2' }}")
    status = page.pad.first.get_by_role("status").inner_text()
    with pytest.raises(ValueError) as said:
        parse_reliabilities("2", (1,), mixture=2)
    assert status == str(said.value)


def test_through_reroutes_and_subgraphs(page):
    page.show([0, 1], "0.9, 0.1")
    names = "async () => (await import('/extensions/PACK/js/experts.js')).experts(NODE).map(e => e.name + e.slot)"
    module = page.page.evaluate("() => LiteGraph.registered_node_types.ReliabilityMixer.nodeData.python_module")
    names = names.replace("PACK", module.split(".")[-1])
    inner = """[...app.graph.subgraphs.values()].flatMap(graph => graph.nodes)
        .find(node => node.type === "ReliabilityMixer")"""
    page.page.evaluate(f"""() => {{
        const reroute = LiteGraph.createNode("Reroute");
        app.graph.add(reroute);
        app.graph.getNodeById(2).connect(0, reroute, 0);
        reroute.connect(0, {MIXER}, 1) }}""")
    assert page.page.evaluate(names.replace("NODE", MIXER)) == ["hair1", "skin2"]
    page.page.evaluate("() => { app.graph.convertToSubgraph(new Set([app.graph.getNodeById(1)])) }")
    assert page.page.evaluate(names.replace("NODE", MIXER)) == ["hair1", "skin2"]
    page.page.evaluate(f"() => {{ app.graph.convertToSubgraph(new Set([{MIXER}])) }}")
    assert page.page.evaluate(names.replace("NODE", inner)) == ["hair1", "skin2"]
