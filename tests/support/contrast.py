"""How well texts of the page can be read, computed from what is drawn: the contrast of WCAG 2."""
from __future__ import annotations

READABLE = 4.5                          # WCAG AA for a text of this size
CARDS = ".comfy-markdown, .widget-markdown"         # the notes of a workflow

# [[text, contrast], ...] of each text that is seen and in use within the selector's elements, with what is drawn behind
# it, layer upon layer; behind all elements is the node that they belong to, which the classic canvas paints.
CONTRASTS = """selector => {
    const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
    const channels = color => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (upper, lower) => lower.map((value, i) => upper[i] * upper[3] + value * (1 - upper[3]));
    const linear = value => (value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.05 + 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = channels(LiteGraph.NODE_DEFAULT_BGCOLOR).slice(0, 3);
    const found = [];
    for (const box of document.querySelectorAll(selector)) {
        const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode());) {
            const own = text.parentElement;
            if (!text.textContent.trim() || !own.checkVisibility() || own.closest("[inert], :disabled")) continue;
            const layers = [];
            let seen = 1;
            for (let element = own; element; element = element.parentElement) {
                const style = getComputedStyle(element);
                seen *= style.opacity;
                layers.push(element.id === "graph-canvas-container" || element === document.body
                    ? [0, 0, 0, 0] : channels(style.backgroundColor));
            }
            const paper = layers.reduceRight((lower, layer) => over(layer, lower), ground);
            const style = getComputedStyle(own), ink = channels(own instanceof SVGElement ? style.fill : style.color);
            ink[3] *= seen;
            const [a, b] = [light(over(ink, paper)), light(paper)];
            found.push([text.textContent.trim(), Math.max(a, b) / Math.min(a, b)]);
        }
    }
    return found;
}"""
