"""locales/ as the host serves them and its page shows them; their texts are tested in tests/guards/."""
from __future__ import annotations

import json

import pytest

from unite_and_conquer.devtools.browser import Page, opened
from unite_and_conquer.devtools.prompts import drawing
from unite_and_conquer.devtools.translations import FILES, LANGUAGES, OURS, text_of, texts


def test_the_host_serves_them(host):
    served = host.get_json("/i18n")
    for language in ["en", *LANGUAGES]:
        own = served[language]
        files = {"main.json": {key: own[key] for key in ("nodeCategories", OURS)}, "nodeDefs.json": own["nodeDefs"]}
        assert files == {file: json.loads(text_of(language, file)) for file in FILES}


# ---------------------------------------------------------------------------------------------------- in the real page

SHOWN = """() => {
    const node = type => app.graph.nodes.find(node => node.type === type);
    const sampler = node("MCDMSampler");
    const card = document.querySelector(`[data-node-id="${node("ReliabilityMixer").id}"]`);
    return {
        title: sampler.title,
        widget: sampler.widgets.find(widget => widget.name === "expert_previews").label,
        input: sampler.inputs[0].localized_name,
        output: sampler.outputs[1].localized_name,
        card: card.innerText,
        category: sampler.constructor.category,
    };
}"""
# What vue-i18n makes of every text, a syntax error included. Newer pages fetch a language when it is chosen.
COMPILED = """async ([language, keys]) => {
    const page = document.getElementById("vue-app").__vue_app__;
    const messages = page._context.provides[page.__VUE_I18N_SYMBOL__].global;
    messages.mergeLocaleMessage(language, (await (await fetch("/i18n")).json())[language]);
    const shown = key => {
        try {
            return messages.t(key, {}, {locale: language});
        } catch (error) {
            return String(error);
        }
    };
    return keys.map(shown);
}"""


@pytest.mark.parametrize("language", ["zh", "fr"])
def test_the_page_speaks_it(host, browser, language):
    """With the language set as the page's settings set it."""
    nodes, own = (json.loads(text_of(language, file)) for file in ("nodeDefs.json", "main.json"))
    sampler, mixer, pad = nodes["MCDMSampler"], nodes["ReliabilityMixer"], own[OURS]
    with opened(browser, host, Page, vue=True, Locale=language) as page:
        page.load(drawing("face_from_three_experts"))
        page.page.get_by_text(pad["Whose null prediction counts"], exact=True).wait_for()
        shown = page.page.evaluate(SHOWN)
        card = shown.pop("card").split("\n")
        assert shown == {
            "title": sampler["display_name"],
            "widget": sampler["inputs"]["expert_previews"]["name"],
            "input": sampler["inputs"]["mixture"]["name"],
            "output": sampler["outputs"]["1"]["name"],
            "category": own["nodeCategories"]["unite and conquer"],
        }
        assert {
            mixer["display_name"],
            mixer["inputs"]["expert_2"]["name"],
            mixer["inputs"]["reliabilities"]["name"],
            mixer["outputs"]["0"]["name"],
            pad["All equal"],
        } <= set(card)
        for each in ["en", *LANGUAGES]:
            through = {path: text for path, text in texts(each).items() if OURS not in path}
            keys = [".".join(["nodeDefs", *path] if file == "nodeDefs.json" else path) for file, *path in through]
            assert page.page.evaluate(COMPILED, [each, keys]) == list(through.values())
        assert page.complaints() == []
