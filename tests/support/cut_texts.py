"""Texts of a workflow that the page does not show whole: titles, names of slots, and what the pack draws itself."""
from __future__ import annotations

# [[node, text], ...]. The classic canvas paints titles: it is listened to, at a scale where it paints them. Elements
# are cut where their text is wider than they are. What somebody has chosen or typed may be, such as names of files.
# The newer canvas of older pages writes the pack's name into every title, which takes the room of long ones.
CUT = """() => {
    const nodes = app.graph.nodes, isReroute = node => /reroute/i.test(node.type), cut = [];
    const named = node => [node.getTitle(), ...[...node.inputs, ...node.outputs].filter(slot => !slot.widget)
        .map(slot => slot.label ?? slot.localized_name ?? slot.name)];
    const isCut = (element, levels = 4) => levels > 0 && element !== null && (isCut(element.parentElement, levels - 1)
        || (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1
            && /hidden|clip/.test(getComputedStyle(element).overflowX)));
    const own = element => [...element.childNodes].filter(({nodeType}) => nodeType === Node.TEXT_NODE)
        .map(({textContent}) => textContent).join("").trim();
    const look = (home, who, counts) => {
        for (const element of home.querySelectorAll("*"))
            if (own(element) && counts(own(element)) && element.checkVisibility() && isCut(element))
                cut.push([who, own(element)]);
    };
    for (const home of document.querySelectorAll(".mcdm-pad-head, .mcdm-pad-foot, .mcdm-pad-text, .mcdm-regions"))
        look(home, home.className, () => true);
    const pen = document.createElement("canvas").getContext("2d"), ARROW = 20;
    for (const list of document.querySelectorAll(".mcdm-regions select")) {
        const [{text}] = list.selectedOptions, {font} = getComputedStyle(list);
        pen.font = font;
        if (list.checkVisibility() && pen.measureText(text).width + ARROW > list.clientWidth)
            cut.push(["mcdm-regions", text]);
    }
    if (LiteGraph.vueNodesMode) {
        const badges = [...document.querySelectorAll("[data-node-id] span, [data-node-id] div")]
            .filter(element => own(element) === "comfyui-unite-and-conquer");
        for (const badge of badges) badge.style.display = "none";
        for (const node of nodes) {
            const card = document.querySelector(`[data-node-id="${node.id}"]`), names = named(node);
            if (card && !isReroute(node)) look(card, node.getTitle(), text => names.includes(text));
        }
        for (const badge of badges) badge.style.display = "";
        return cut;
    }
    const {ds} = app.canvas, {scale} = ds, offset = [...ds.offset], {fillText} = CanvasRenderingContext2D.prototype;
    for (const node of nodes.filter(node => !isReroute(node))) {
        const painted = new Set();
        CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
            painted.add(String(text));
            fillText.call(this, text, ...where);
        };
        ds.scale = 1;
        [ds.offset[0], ds.offset[1]] = [100 - node.pos[0], 150 - node.pos[1]];
        app.canvas.draw(true, true);
        CanvasRenderingContext2D.prototype.fillText = fillText;
        if (!painted.has(node.getTitle())) cut.push([String(node.id), node.getTitle()]);
    }
    ds.scale = scale;
    [ds.offset[0], ds.offset[1]] = offset;
    app.canvas.setDirty(true, true);
    return cut;
}"""
