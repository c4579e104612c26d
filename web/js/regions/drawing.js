/** What the canvas shows: shapes, the handles of the chosen one, and the tint. */
import { make } from "../dom.js";
import { masks } from "./fields.js";
import { cellsOf } from "./picture.js";
import { boundsOf, pointsOf } from "./shapes.js";

const TINT = 0.5;           // its opacity
const NOBODY = "#8f8f8f";
// Of the box around a shape: which side a handle moves, 0 = none, -1 = left or upper, 1 = right or lower.
const HANDLES = [[-1, -1], [0, -1], [1, -1], [-1, 0], [1, 0], [-1, 1], [0, 1], [1, 1]];

const rgb = color => [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));

function outline(shape, [width, height]) {
    const {kind, numbers: [a, b, c, d]} = shape;
    if (kind === "box")
        return make("svg:rect", {x: a * width, y: b * height, width: (c - a) * width, height: (d - b) * height});
    if (kind === "ellipse")
        return make("svg:ellipse", {cx: a * width, cy: b * height, rx: c * width, ry: d * height});
    const points = pointsOf(shape), line = [...points, points.at(-1)];
    return make("svg:polyline", {
        points: line.map(([x, y]) => `${x * width},${y * height}`).join(" "),
        "stroke-width": 2 * a * Math.min(width, height),
    });
}

/** A shape that can be reached by keys. view: [width, height] of the drawing. expert: undefined where nobody is. */
export function drawShape(shape, view, {label, expert, chosen}) {
    const classes = ["mcdm-regions-shape", `mcdm-regions-${shape.kind}`];
    if (chosen) classes.push("mcdm-regions-chosen");
    if (!expert) classes.push("mcdm-regions-absent");
    const drawn = outline(shape, view);
    drawn.append(make("svg:title", {}, label));
    return make("svg:g", {
        class: classes.join(" "), tabindex: 0, role: "button", "aria-label": label, "aria-pressed": chosen,
        style: `--mcdm-color: ${expert?.color ?? NOBODY}`,
    }, drawn);
}

/** The handles of a box or an ellipse; a stroke has none. */
export function drawHandles(shape, [width, height]) {
    if (shape?.kind !== "box" && shape?.kind !== "ellipse") return [];
    const [left, top, right, bottom] = boundsOf(shape, width, height);
    return HANDLES.map(([x, y]) => {
        const cx = [left, (left + right) / 2, right][x + 1] * width;
        const cy = [top, (top + bottom) / 2, bottom][y + 1] * height;
        const cursor = x && y ? (x === y ? "nwse" : "nesw") : x ? "ew" : "ns";
        const attributes = {
            class: "mcdm-regions-handle", "data-side": `${x} ${y}`, style: `cursor: ${cursor}-resize`,
        };
        return make("svg:g", attributes, make("svg:circle", {cx, cy, r: 9, class: "mcdm-regions-grip"}),
            make("svg:circle", {cx, cy, r: 3.5}));
    });
}

/** What the sampler will use, in the experts' colours. size: of the picture, in pixels. */
export function drawTint(canvas, {layers, experts, settings}, size) {
    const [columns, rows] = cellsOf(size);
    Object.assign(canvas, {width: columns, height: rows});
    if (!layers.some(({slot}) => slot)) return;
    const found = masks(layers, settings, rows, columns), pen = canvas.getContext("2d");
    const pixels = pen.createImageData(columns, rows);
    const colors = experts.map(({slot, color}) => [found.get(slot), rgb(color)]);
    for (let i = 0; i < rows * columns; i++) {
        for (const channel of [0, 1, 2])
            pixels.data[4 * i + channel] = colors.reduce((sum, [mask, color]) => sum + mask[i] * color[channel], 0);
        pixels.data[4 * i + 3] = 255 * TINT;
    }
    pen.putImageData(pixels, 0, 0);
}
