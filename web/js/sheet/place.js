/** Where the page draws a node's picture, on either canvas, measured at what it draws. Boxes: pixels of the window. */
import { app } from "../../../../scripts/app.js";
import { chain, toGraph, toWindow, vueNodes } from "../host.js";

const drawn = new Map();                                                // node -> [{image, box}] in this frame
const shown = new WeakMap();                                            // node -> {image, box} in the last frame
let watched = () => [];                                                 // the nodes to look at

/** Notes where a picture of a watched node is drawn. place: [x, y, width, height] in the context's own units. */
function note(context, image, place) {
    const node = watched().find(({imgs}) => imgs?.includes(image));
    if (!node) return;
    const {a, d, e, f} = context.getTransform(), [x, y, width, height] = place;
    const {canvas} = app.canvas, origin = canvas.getBoundingClientRect(), scale = origin.width / canvas.width;
    const box = {left: origin.left + (a * x + e) * scale, top: origin.top + (d * y + f) * scale,
        width: a * width * scale, height: d * height * scale};
    const [left, top, ...size] = toGraph(box), [nodeX, nodeY] = node.pos;
    const found = {image, box: [left - nodeX, top - nodeY, ...size]};
    const others = (drawn.get(node) ?? []).filter(other => other.image !== image);
    drawn.set(node, [...others, found]);
}

/** Watches where the classic canvas draws pictures of nodes(). */
export function watchDrawing(nodes) {
    watched = nodes;
    const {ctx} = app.canvas, {drawImage} = ctx;
    ctx.drawImage = function (image, ...place) {
        drawImage.call(this, image, ...place);
        if (image instanceof HTMLImageElement && place.length >= 4) note(this, image, place.slice(-4));
    };
    chain(app.canvas, "onDrawForeground", () => {
        for (const node of watched()) {
            const pictures = drawn.get(node) ?? [];
            shown.set(node, pictures.length === 1 ? pictures[0] : undefined);   // not while several are small
        }
        drawn.clear();
    });
}

/** The part of an element that its picture fills. */
function filled(image) {
    const {left, top, width, height} = image.getBoundingClientRect();
    const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
    const [ownWidth, ownHeight] = [image.naturalWidth * scale, image.naturalHeight * scale];
    const [besideIt, aboveIt] = [(width - ownWidth) / 2, (height - ownHeight) / 2];
    return {left: left + besideIt, top: top + aboveIt, width: ownWidth, height: ownHeight};
}

/** {source, box} of the one picture that a node shows large; undefined where it shows none, or several. */
export function pictureOf(node, names) {
    if (node.graph !== app.canvas.graph || node.flags?.collapsed) return;
    const isOurs = ({src}) => names.some(name => src.includes(encodeURIComponent(name)));
    if (vueNodes()) {
        const pictures = [...document.querySelectorAll(`[data-node-id="${node.id}"] img`)].filter(image =>
            isOurs(image) && image.naturalWidth && image.getBoundingClientRect().width);
        return pictures.length === 1 ? {source: pictures[0].src, box: filled(pictures[0])} : undefined;
    }
    const found = shown.get(node);
    if (!found || !isOurs(found.image)) return;
    const [x, y, ...size] = found.box;
    return {source: found.image.src, box: toWindow([x + node.pos[0], y + node.pos[1], ...size])};
}

/** Whether a node is what a pointer is over: nothing lies above it. */
export function isUnder(event, node) {
    const on = event.target;
    if (vueNodes()) {
        const isControl = on.closest?.("button, input, textarea, a, [role=slider]");
        return !isControl && on.closest?.("[data-node-id]")?.dataset.nodeId === String(node.id);
    }
    if (on !== app.canvas.canvas) return false;
    const [x, y] = toGraph({left: event.clientX, top: event.clientY, width: 0, height: 0});
    return node.graph.getNodeOnPos(x, y) === node;
}
