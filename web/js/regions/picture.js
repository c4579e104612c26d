/** What lies under the regions: the last picture of this workflow, and the proportions of the next one. */
import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";
import { nodeOf } from "../host.js";
import { SHEET_NODES } from "../sheet_nodes.js";
import { following, origin, widgetValue } from "../wires.js";

const SQUARE = [64, 64], PIXELS_OF_A_CELL = 8, MOST_CELLS = 96;

let latest;                                                             // {filename, subfolder, type}

function pictureOf(output) {
    const picture = output?.images?.at(-1);
    return picture?.filename && picture.type !== "input" ? picture : undefined;
}

api.addEventListener("executed", ({detail}) => {
    const isSheet = SHEET_NODES.includes(nodeOf(detail.display_node ?? detail.node)?.comfyClass);
    if (!isSheet) latest = pictureOf(detail.output) ?? latest;
});

/** The address of the last picture that this workflow drew; undefined before there is one. */
export function lastPicture() {
    const ofPictures = ([id]) => !SHEET_NODES.includes(nodeOf(id)?.comfyClass);
    const outputs = Object.entries(app.nodeOutputs ?? {}).filter(ofPictures);
    const kept = outputs.map(([, output]) => pictureOf(output)).filter(Boolean);
    const picture = kept.find(one => one.filename === latest?.filename) ?? kept.at(-1);
    return picture && api.apiURL(`/view?${new URLSearchParams(picture)}`);
}

/** [width, height] of the picture that a node's mixture draws, in pixels, as far as the graph tells. path: wires.js. */
export function sizeFor(node, path = []) {
    for (const next of following(node, path)) {
        const size = sizeAt(next.node, "LATENT", next.path);
        if (size) return size;
    }
    return SQUARE;
}

/** The size of what arrives at a node's input of that type: set there, handed on, or a picture's own. */
function sizeAt(node, type, path, depth = 0) {
    const index = node.inputs?.findIndex(input => input.type === type) ?? -1;
    const at = index < 0 || depth > 20 ? undefined : origin(node, index, path);
    if (!at?.node) return;
    const side = name => Number(widgetValue(at.node, name, at.path));
    const [width, height] = [side("width"), side("height")], picture = at.node.imgs?.[0];
    if (width > 0 && height > 0) return [width, height];
    if (type === "IMAGE" && picture?.naturalWidth) return [picture.naturalWidth, picture.naturalHeight];
    const further = kind => sizeAt(at.node, kind, at.path, depth + 1);
    return (type === "LATENT" ? further("LATENT") : undefined) ?? further("IMAGE");
}

/** [columns, rows] in which to show the masks of a picture: its cells, but no more than can be drawn at once. */
export function cellsOf([width, height]) {
    const cell = Math.max(width, height) > MOST_CELLS ? PIXELS_OF_A_CELL : 1;
    const scale = Math.min(1, MOST_CELLS / (Math.max(width, height) / cell));
    return [width, height].map(side => Math.max(1, Math.round(side / cell * scale)));
}
