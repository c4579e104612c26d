/** Where each expert draws, cell by cell: the same as mcdm/regions.py makes of the same text. */
import { boundsOf, insideOf } from "./shapes.js";

const FINE = 4;             // samples of a cell along each side
const PARTS = 2 ** 40;      // of 1, in which fields are counted
const ROUNDING = 1e-6;      // of a border, in cells
export const SHARE = "share", TOP = "top one wins";

const exact = number => Math.round(number * PARTS) / PARTS;

/** [weights, radius]: the Gaussian of the feather, over samples. */
function gaussian(feather, height, width) {
    const radius = Math.floor(feather * FINE * Math.min(height, width) + 0.5), weights = [];
    for (let place = -radius; place <= radius; place++)
        weights.push(Math.exp(-0.5 * (place * (3 / Math.max(radius, 1))) ** 2));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return [weights.map(weight => weight / total), radius];
}

/** How much each sample counts in each cell of a side: [[[sample, weight], ...], ...]. */
function smoothing(cells, [weights, radius]) {
    const last = FINE * cells - 1;
    return Array.from({length: cells}, (_, cell) => {
        const counts = new Map();
        for (let sample = FINE * cell; sample < FINE * (cell + 1); sample++)
            for (const [i, weight] of weights.entries()) {
                const source = Math.min(last, Math.max(0, sample + i - radius));
                counts.set(source, (counts.get(source) ?? 0) + weight / FINE);
            }
        return [...counts];
    });
}

function covered(layer, frame, height, width) {
    const samples = new Uint8Array(height * width);
    for (const shape of layer.shapes) {
        if (shape.frames && !(shape.frames[0] <= frame && frame <= shape.frames[1])) continue;
        const inside = insideOf(shape, width, height), value = shape.kind === "erase" ? 0 : 1;
        for (let row = 0; row < height; row++)
            for (let column = 0; column < width; column++)
                if (inside((column + 0.5) / width, (row + 0.5) / height)) samples[row * width + column] = value;
    }
    return samples;
}

/** r of layers as one expert's, Float64Array of height x width cells. */
function field(layers, frame, height, width, down, across) {
    const fine = FINE * width, samples = new Uint8Array(FINE * height * fine);
    for (const layer of layers)
        for (const [i, value] of covered(layer, frame, FINE * height, fine).entries()) samples[i] |= value;
    const rows = new Float64Array(height * fine), cells = new Float64Array(height * width);
    for (const [row, counts] of down.entries())
        for (const [sample, weight] of counts)
            for (let column = 0; column < fine; column++)
                rows[row * fine + column] += weight * samples[sample * fine + column];
    for (let row = 0; row < height; row++)
        for (const [column, counts] of across.entries()) {
            let sum = 0;
            for (const [sample, weight] of counts) sum += weight * rows[row * fine + sample];
            cells[row * width + column] = exact(sum);
        }
    return cells;
}

function claims(fields, overlap, count) {
    const found = new Map();
    if (overlap === TOP) {
        const left = new Float64Array(count).fill(1);
        for (const [slot, r] of fields.reverse()) {
            const own = found.get(slot) ?? new Float64Array(count);
            for (let i = 0; i < count; i++) {
                const part = Math.min(r[i], left[i]);
                own[i] += part;
                left[i] -= part;
            }
            found.set(slot, own);
        }
        return found;
    }
    for (const [slot, r] of fields)
        found.set(slot, r.map((value, i) => value / Math.max(1, fields.reduce((sum, [, other]) => sum + other[i], 0))));
    return found;
}

/** Whether the rectangle that an expert is asked about is the whole canvas, once it has grown by the feather. */
function fills(shape, radius, height, width) {
    const [left, top, right, bottom] = boundsOf(shape, width, height), grown = radius / FINE - ROUNDING;
    const reaches = (low, high, cells) => low * cells - grown < 1 && high * cells + grown > cells - 1;
    return reaches(left, right, width) && reaches(top, bottom, height);
}

/** The slots of experts that have no part of what is left for all: asked about rectangles alone, or shown it moved. */
function apart(layers, radius, height, width) {
    const those = fits => layers.filter(({shapes}) => shapes.some(fits)).map(({slot}) => slot);
    const slots = new Set(those(({crop}) => crop));
    for (const slot of those(shape => shape.crop && fills(shape, radius, height, width))) slots.delete(slot);
    return new Set([...slots, ...those(({centred}) => centred)]);
}

/**
 * m of each expert, Map slot -> Float64Array of height x width cells.
 * layers: [{slot, shapes}], the first at the bottom. present: slots. rest: a slot, or 0 for all.
 */
export function masks(layers, {present, rest = 0, feather = 0, overlap = SHARE, frame = 0}, height, width) {
    const blur = gaussian(feather, height, width);
    const down = smoothing(height, blur), across = smoothing(width, blur), count = height * width;
    const own = layers.filter(({slot}) => present.includes(slot));
    const groups = overlap === TOP
        ? own.map(layer => [layer.slot, [layer]])
        : [...new Set(own.map(({slot}) => slot))].map(slot => [slot, own.filter(layer => layer.slot === slot)]);
    const fields = groups.map(([slot, ones]) => [slot, field(ones, frame, height, width, down, across)]);
    const found = claims(fields, overlap, count);
    const without = apart(own, blur[1], height, width);
    const takers = present.includes(rest) ? [rest] : present.filter(slot => !without.has(slot));
    const parts = [...found.values()];
    for (const slot of present) if (!found.has(slot)) found.set(slot, new Float64Array(count));
    for (let i = 0; i < count; i++) {
        const left = exact(1 - parts.reduce((sum, part) => sum + part[i], 0));
        for (const slot of takers) found.get(slot)[i] += left / takers.length;
    }
    return found;
}
