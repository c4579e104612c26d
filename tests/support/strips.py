"""The strip of previews in the page: what stands in it, and a run's message as the page gets it."""

# The sampler, in whichever graph.
SAMPLER = """() => [app.graph, ...app.graph.subgraphs.values()].flatMap(graph => graph.nodes)
    .find(node => node.type === "MCDMSampler")"""
# Sends the page what a run would: [pulls, the node's execution id or null for the sampler's own].
SEND = f"""async ([pulls, id]) => {{
    const {{api}} = await import("/scripts/api.js");
    const image = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    const experts = pulls.map((pull, i) => ({{name: "expert " + i, pull, image}}));
    const detail = {{node: String(id ?? ({SAMPLER})().id), prompt_id: String(Math.random()), experts}};
    api.dispatchEvent(new CustomEvent("mcdm.previews", {{detail}}));
}}"""
# The percents that are seen.
PERCENTS = """() => [...document.querySelectorAll(".mcdm-previews figure")].filter(figure => figure.checkVisibility()
    && figure.getBoundingClientRect().height > 30).map(figure => parseInt(figure.querySelector("b").innerText))"""
